import { Stack, Text } from '@mantine/core'
import type { components } from '@/api/dashboard-creator'
import { CopyBlock } from '@/components/copy-block'
import { KeyFacts } from '@/components/key-facts'
import { SmallTable } from '@/components/small-table'
import { TimeText } from '@/components/time-text'
import { changesOf } from '@/lib/changes'

/** One act with every field that it changed, and all that it says about itself. */
export function ActDetails({ act }: { act: components['schemas']['Act'] }) {
  const changes = changesOf(act.before, act.after)
  return (
    <Stack gap="sm">
      <KeyFacts
        facts={[
          ['When', <TimeText key="when" at={act.recorded_at} relative={false} />],
          ['Who', act.who],
          ['From', act.address ?? 'this machine'],
          ['Noticed by', act.service],
        ]}
      />
      {changes.length > 0 ? (
        <SmallTable
          label="changes"
          rows={changes}
          keyOf={(change) => change.field}
          columns={[
            { name: 'field', title: 'Field', cell: (change) => change.field || 'value' },
            { name: 'before', title: 'Before', cell: (change) => change.before },
            { name: 'after', title: 'After', cell: (change) => change.after },
          ]}
        />
      ) : (
        <Text fz="sm" c="dimmed">
          It changed no value.
        </Text>
      )}
      <CopyBlock label="facts" value={JSON.stringify(act.facts, null, 2)} />
    </Stack>
  )
}
