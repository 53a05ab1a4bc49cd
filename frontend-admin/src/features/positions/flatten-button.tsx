import { Button } from '@mantine/core'
import { notifications } from '@mantine/notifications'
import { dashboards } from '@/api/client'
import type { components } from '@/api/dashboard-creator'
import { useAsk } from '@/components/use-ask'
import { amount, exact } from '@/lib/format'
import { instrumentWords } from '@/lib/instrument'
import { useMay } from '@/lib/session'
import { useRefresh } from '@/lib/use-refresh'

type Row = components['schemas']['PositionRow']

/** Close one position at market; where money is real, the word has to be typed. */
export function FlattenButton({ row }: { row: Row }) {
  const mayTrade = useMay('TRADE')
  const { ask, question } = useAsk()
  const refresh = useRefresh()
  const { strategy_id, account_id, instrument_key } = row
  const flat = Number(row.quantity) === 0
  if (!mayTrade || flat || strategy_id === null || account_id === null) return null
  const side = row.quantity.startsWith('-') ? 'BUY' : 'SELL'
  const quantity = row.quantity.replace('-', '')

  function open() {
    ask({
      title: 'Flatten this position',
      facts: [
        ['Account', account_id],
        ['Instrument', instrumentWords(row.instrument)],
        ['Side', `${side}, at market`],
        ['Quantity', exact(quantity)],
        ['Money', `${amount(row.deployed)} ${row.instrument.currency} at the average price`],
        ['Strategy', strategy_id],
      ],
      money: true,
      reason: true,
      action: 'Flatten',
      danger: true,
      act: async (reason) => {
        if (strategy_id === null || account_id === null) return
        const place = { strategy_id, account_id, instrument_key }
        const { data } = await dashboards.POST('/api/v1/positions/flatten', {
          body: { ...place, confirm: [{ ...place, side, quantity }], reason },
        })
        notifications.show({ message: data?.sentence })
        await refresh('/api/v1/positions', '/api/v1/orders')
      },
    })
  }

  return (
    <>
      <Button size="compact-xs" variant="default" onClick={open}>
        Flatten
      </Button>
      {question}
    </>
  )
}
