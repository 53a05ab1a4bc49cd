import { Button, Modal, Text } from '@mantine/core'
import { useState } from 'react'
import { dashboards } from '@/api/client'
import type { components } from '@/api/dashboard-creator'
import type { Column } from '@/components/data-table'
import type { Filter } from '@/components/filter-bar'
import { ListPage } from '@/components/list-page'
import { Page } from '@/components/page'
import { Empty } from '@/components/states'
import { TimeText } from '@/components/time-text'
import { changesInWords } from '@/lib/changes'
import { words } from '@/lib/format'
import { ActDetails } from './act-details'

type Act = components['schemas']['Act']

const FILTERS: Filter[] = [
  { name: 'who', label: 'Who' },
  { name: 'what', label: 'What', width: 190 },
  { name: 'q', label: 'Contains' },
  { name: 'since', label: 'From', type: 'date', width: 130 },
  { name: 'until', label: 'To', type: 'date', width: 130 },
]

/** The audit log: who did what, before and after, and from where. Nothing here can be changed. */
export function ActivityPage() {
  const [open, setOpen] = useState<Act | null>(null)
  const columns: Column<Act>[] = [
    ...COLUMNS,
    {
      name: 'details',
      title: 'Details',
      cell: (act) => (
        <Button size="compact-xs" variant="subtle" onClick={() => setOpen(act)}>
          Details
        </Button>
      ),
    },
  ]
  return (
    <Page title="Activity">
      <ListPage
        label="acts"
        path="/api/v1/audit"
        filters={FILTERS}
        columns={columns}
        keyOf={keyOf}
        csv="/api/dashboard_creator/v1/audit.csv"
        load={async (query, before, signal) => {
          const { data } = await dashboards.GET('/api/v1/audit', {
            params: { query: { ...query, before, limit: 100 } },
            signal,
          })
          return data ?? { rows: [] }
        }}
        empty={<Empty>Nobody has done anything of this kind.</Empty>}
      />
      <Modal
        opened={open !== null}
        onClose={() => setOpen(null)}
        title={open ? words(open.what) : ''}
        size="lg"
      >
        {open && <ActDetails act={open} />}
      </Modal>
    </Page>
  )
}

function keyOf(act: Act): string {
  return [act.recorded_at, act.what, act.who, JSON.stringify(act.facts)].join('|')
}

const COLUMNS: Column<Act>[] = [
  { name: 'time', title: 'Time', cell: (act) => <TimeText at={act.recorded_at} /> },
  { name: 'who', title: 'Who', cell: (act) => act.who },
  { name: 'what', title: 'What', cell: (act) => <span title={act.what}>{words(act.what)}</span> },
  {
    name: 'change',
    title: 'Before → after',
    cell: (act) => {
      const text = wordsOf(act)
      return <span title={text}>{text || '–'}</span>
    },
  },
  {
    name: 'from',
    title: 'From',
    cell: (act) => (
      <Text span fz="inherit" c="dimmed" title={`by ${act.service}`}>
        {act.address ?? act.service}
      </Text>
    ),
    wide: true,
  },
]

/** What it was about, and what has changed; a hash says nothing to people. */
function wordsOf(act: Act): string {
  const plain = [act.before, act.after].some((each) => typeof each === 'string')
  const changed = plain ? '' : changesInWords(act.before, act.after)
  const about = changed && !act.facts.of && !act.facts.strategy ? '' : factsInWords(act)
  return [about, changed].filter(Boolean).join(': ')
}

/** What an act was about. */
function factsInWords(act: Act): string {
  return Object.entries(act.facts)
    .filter(([, fact]) => typeof fact !== 'object')
    .map(([name, fact]) => `${words(name).toLowerCase()} ${String(fact)}`)
    .join(', ')
}
