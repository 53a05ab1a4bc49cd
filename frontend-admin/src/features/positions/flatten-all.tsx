import { Button, ScrollArea, Text } from '@mantine/core'
import { useState } from 'react'
import { useNavigate } from 'react-router'
import { dashboards } from '@/api/client'
import type { components } from '@/api/dashboard-creator'
import { sentenceOf } from '@/api/problem'
import { useAsk } from '@/components/use-ask'
import { exact } from '@/lib/format'
import { instrumentWords } from '@/lib/instrument'
import { useMay } from '@/lib/session'
import { useFilters } from '@/lib/use-filters'
import { useRefresh } from '@/lib/use-refresh'

type Row = components['schemas']['PositionRow']
type Place = { strategy_id: string } | { account_id: string }
/** What is not named is not narrowed: all of the place. */
const NOWHERE = { strategy_id: '', account_id: '', instrument_key: '' }
const NAMES = ['strategy_id', 'account_id'] as const

/** Close all of the one strategy, or the one account, that the page is filtered by. */
export function FlattenAll() {
  const { strategy_id, account_id } = useFilters(NAMES)
  const mayTrade = useMay('TRADE')
  if (!mayTrade || Boolean(strategy_id) === Boolean(account_id)) return null
  const place = strategy_id ? { strategy_id } : { account_id: account_id ?? '' }
  const words = strategy_id ? `strategy ${strategy_id}` : `account ${account_id}`
  return <FlattenPlace key={words} place={place} words={words} />
}

function FlattenPlace({ place, words }: { place: Place; words: string }) {
  const refresh = useRefresh()
  const navigate = useNavigate()
  const { ask, question } = useAsk()
  const [busy, setBusy] = useState(false)
  const [failure, setFailure] = useState('')

  async function open() {
    setBusy(true)
    setFailure('')
    try {
      const rows = await heldIn(place)
      if (rows.length === 0) setFailure(`${words} holds nothing`)
      else show(rows)
    } catch (error) {
      setFailure(sentenceOf(error))
    } finally {
      setBusy(false)
    }
  }
  function show(rows: Row[]) {
    const confirm = rows.map(seen)
    ask({
      title: `Flatten ${words}`,
      facts: [
        ['Closes', `everything of ${words}, at market`],
        ['Accounts', [...new Set(confirm.map((each) => each.account_id))].join(', ')],
        [`Orders (${rows.length})`, <Lines key="lines" rows={rows} />],
        ['Then', 'entries stay stopped until a person resumes it'],
      ],
      money: true,
      word: 'FLATTEN',
      reason: true,
      action: `Flatten ${rows.length === 1 ? '1 position' : `${rows.length} positions`}`,
      danger: true,
      act: async (reason) => {
        const { data } = await dashboards.POST('/api/v1/positions/flatten', {
          body: { ...NOWHERE, ...place, confirm, reason },
        })
        await refresh('/api/v1/positions', '/api/v1/orders', '/api/v1/kill', '/api/v1/controls')
        // Where the broker's own word shows, as it comes.
        if (data) navigate(`/risk?run=${encodeURIComponent(data.run_id)}`)
      },
    })
  }

  return (
    <>
      <Button variant="default" onClick={() => void open()} loading={busy}>
        Flatten {words}
      </Button>
      {failure && (
        <Text fz="xs" c="red" role="alert">
          {failure}
        </Text>
      )}
      {question}
    </>
  )
}

/** Everything that is held, page by page: what is confirmed must be all of it. */
async function heldIn(place: Place): Promise<Row[]> {
  const rows: Row[] = []
  let before: string | undefined
  do {
    const { data } = await dashboards.GET('/api/v1/positions', {
      params: { query: { ...place, by: 'strategy', open_only: true, limit: 200, before } },
    })
    rows.push(...(data?.rows ?? []))
    before = data?.next ?? undefined
  } while (before)
  return rows.filter((row) => Number(row.quantity) !== 0)
}

function seen(row: Row) {
  const side: 'BUY' | 'SELL' = row.quantity.startsWith('-') ? 'BUY' : 'SELL'
  return {
    strategy_id: row.strategy_id ?? '',
    account_id: row.account_id ?? '',
    instrument_key: row.instrument_key,
    side,
    quantity: row.quantity.replace('-', ''),
  }
}

function Lines({ rows }: { rows: Row[] }) {
  return (
    <ScrollArea.Autosize mah={220} type="auto">
      {rows.map((row) => {
        const { side, quantity, account_id, strategy_id, instrument_key } = seen(row)
        return (
          <Text key={`${strategy_id}|${account_id}|${instrument_key}`} fz="sm">
            {side} {exact(quantity)} {instrumentWords(row.instrument)} in {account_id} (
            {strategy_id})
          </Text>
        )
      })}
    </ScrollArea.Autosize>
  )
}
