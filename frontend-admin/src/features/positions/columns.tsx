import { Text } from '@mantine/core'
import type { components } from '@/api/dashboard-creator'
import type { Column } from '@/components/data-table'
import { Exact, Money, Pnl, Price } from '@/components/money'
import { TimeText } from '@/components/time-text'
import { instrumentWords } from '@/lib/instrument'
import { FlattenButton } from './flatten-button'
import { ReconcileState } from './reconcile-state'

export type Row = components['schemas']['PositionRow']

export const By = { strategy: 'strategy', account: 'account', instrument: 'instrument' } as const
export type By = (typeof By)[keyof typeof By]

export function keyOf(row: Row): string {
  return [row.strategy_id, row.account_id, row.instrument_key].join('|')
}

/** Sums are over what is not named: a sum over strategies does not say whose it is. */
export function columnsOf(by: By): Column<Row>[] {
  const where: Column<Row>[] = []
  if (by === By.strategy)
    where.push({ name: 'strategy', title: 'Strategy', cell: (row) => row.strategy_id ?? '–' })
  else
    where.push({
      name: 'strategies',
      title: 'Strategies',
      cell: (row) => (
        <span title={row.strategies.join(', ')}>
          {row.strategies.length > 1 ? `${row.strategies.length} strategies` : row.strategies[0]}
        </span>
      ),
      wide: true,
    })
  if (by !== By.instrument)
    where.push({ name: 'account', title: 'Account', cell: (row) => row.account_id ?? '–' })
  return [
    {
      name: 'instrument',
      title: 'Instrument',
      cell: (row) => (
        <>
          {instrumentWords(row.instrument)}{' '}
          <Text span fz="xs" c="dimmed">
            {row.instrument.currency}
          </Text>
        </>
      ),
    },
    ...where,
    ...FIGURES,
    {
      name: 'reconciled',
      title: 'Broker',
      cell: (row) => <ReconcileState reconciled={row.reconciled} />,
    },
    ...(by === By.strategy
      ? [{ name: 'flatten', title: 'Acts', cell: (row: Row) => <FlattenButton row={row} /> }]
      : []),
  ]
}

const FIGURES: Column<Row>[] = [
  {
    name: 'quantity',
    title: 'Quantity',
    numeric: true,
    cell: (row) => <Exact value={row.quantity} />,
  },
  {
    name: 'price',
    title: 'Average price',
    numeric: true,
    cell: (row) => <Price value={row.average_price} />,
  },
  { name: 'mark', title: 'Mark', numeric: true, cell: (row) => <Mark row={row} /> },
  {
    name: 'unrealized',
    title: 'Unrealized P&L',
    numeric: true,
    cell: (row) => <Pnl value={row.unrealized_pnl} />,
  },
  {
    name: 'realized',
    title: 'Realized P&L',
    numeric: true,
    cell: (row) => <Pnl value={row.realized_pnl} />,
  },
  {
    name: 'margin',
    title: 'Margin',
    numeric: true,
    cell: (row) => <Money value={row.margin} />,
    wide: true,
  },
]

const OLD_SECONDS = 300

/** A price of five minutes ago is no price of now: greyed, with its age. */
function Mark({ row }: { row: Row }) {
  if (row.mark_price == null)
    return (
      <Text span fz="xs" c="dimmed">
        no price
      </Text>
    )
  const old = (row.mark_age_s ?? 0) > OLD_SECONDS
  return (
    <span className={old ? 'stale' : undefined}>
      <Price value={row.mark_price} />{' '}
      <Text span fz="xs" c="dimmed">
        <TimeText at={row.mark_at} />
      </Text>
    </span>
  )
}
