import { Anchor, Badge, Text } from '@mantine/core'
import { Link } from 'react-router'
import type { components } from '@/api/dashboard-creator'
import { Money, Pnl } from '@/components/money'
import { SmallTable } from '@/components/small-table'
import { Empty } from '@/components/states'
import { StatusBadge } from '@/components/status-badge'
import { TimeText } from '@/components/time-text'
import { numberOf, percent, words } from '@/lib/format'

type Line = components['schemas']['StrategyLine']

const VERDICTS: Record<string, [string, string]> = {
  AS_CLAIMED: ['green', '✓ as claimed'],
  DOUBTFUL: ['yellow', '? doubtful'],
  NOT_AS_CLAIMED: ['red', '✗ not as claimed'],
  TOO_FEW_DAYS: ['gray', 'too few days'],
}

export function StrategiesTable({ lines, currency }: { lines: readonly Line[]; currency: string }) {
  if (lines.length === 0)
    return (
      <Empty command="python3 scripts/strategies.py create NAME">There is no strategy yet.</Empty>
    )
  return (
    <SmallTable
      label="strategies"
      rows={[...lines].sort(byShare)}
      keyOf={(line) => line.strategy_id}
      columns={[
        { name: 'name', title: 'Strategy', cell: (line) => <Name line={line} /> },
        {
          name: 'allocation',
          title: 'Allocation',
          numeric: true,
          cell: (line) => percent(line.allocation_ratio, 1),
        },
        {
          name: 'exposure',
          title: `Exposure, ${currency}`,
          numeric: true,
          cell: (line) => <Money value={line.exposure} digits={0} />,
        },
        {
          name: 'today',
          title: 'Today',
          numeric: true,
          cell: (line) => <OwnPnl value={line.today_pnl} line={line} currency={currency} />,
        },
        {
          name: 'mtd',
          title: 'MTD',
          numeric: true,
          cell: (line) => <OwnPnl value={line.mtd_pnl} line={line} currency={currency} />,
        },
        { name: 'claim', title: 'Live against claimed', cell: (line) => <Verdict line={line} /> },
        { name: 'last', title: 'Last signal', cell: (line) => <LastHeard line={line} /> },
      ]}
    />
  )
}

/** Those that have money first. */
function byShare(one: Line, other: Line): number {
  return (numberOf(other.allocation_ratio) ?? 0) - (numberOf(one.allocation_ratio) ?? 0)
}

function Name({ line }: { line: Line }) {
  return (
    <>
      <Anchor
        component={Link}
        fz="inherit"
        to={`/strategies/${encodeURIComponent(line.strategy_id)}`}
      >
        {line.name}
      </Anchor>{' '}
      {line.status !== 'ACTIVE' && <StatusBadge status={line.status} />}
      {line.mode && line.mode !== 'PAPER' && <StatusBadge status={line.mode} />}
    </>
  )
}

/** The currency stands here only where it is not that of the column's header. */
function OwnPnl({ value, line, currency }: { value: string | null; line: Line; currency: string }) {
  return (
    <span title={line.unknown || undefined}>
      <Pnl value={value} digits={0} />
      {value !== null && line.currency !== currency && ` ${line.currency}`}
    </span>
  )
}

function Verdict({ line }: { line: Line }) {
  if (!line.verdict)
    return (
      <Text span fz="inherit" c="dimmed" title="No claim, or no record of our own yet">
        –
      </Text>
    )
  const [color, text] = VERDICTS[line.verdict] ?? ['gray', words(line.verdict)]
  return (
    <Badge
      size="sm"
      radius="sm"
      variant="light"
      color={color}
      title={line.verdict_sentences.join(' ')}
    >
      {text}
    </Badge>
  )
}

function LastHeard({ line }: { line: Line }) {
  const last = line.last_signal
  return (
    <>
      {last ? (
        <Anchor component={Link} fz="inherit" to={`/signals/${last.signal_id}`}>
          <TimeText at={last.received_at} />
        </Anchor>
      ) : (
        'never'
      )}{' '}
      {line.silence.too_long && (
        <Badge size="sm" radius="sm" variant="light" color="yellow" title={line.silence.sentence}>
          ⚠ silent too long
        </Badge>
      )}
    </>
  )
}
