import { Badge, Group, Paper, SimpleGrid, Text } from '@mantine/core'
import type { ReactNode } from 'react'
import type { components } from '@/api/dashboard-creator'
import { Meter } from '@/components/meter'
import { Money, Pnl } from '@/components/money'
import { TimeText } from '@/components/time-text'
import { numberOf, percent } from '@/lib/format'

type Known = components['schemas']['Figures']

/** Equity, today, drawdown from the peak, and margin use with its limit. */
export function FourFigures({ figures }: { figures: Known }) {
  const { currency } = figures
  return (
    <SimpleGrid cols={{ base: 1, xs: 2, lg: 4 }} spacing="sm">
      <Figure
        name={`Equity, ${currency}`}
        stale={figures.stale}
        note={
          figures.equity == null ? (
            figures.missing || 'no account has reported yet'
          ) : (
            <>
              as of <TimeText at={figures.as_of} />
            </>
          )
        }
      >
        <Money value={figures.equity} />
      </Figure>
      <Figure
        name={`Today, ${currency}`}
        stale={figures.stale}
        note={
          <Group gap="md" component="span">
            <span>
              MTD <Pnl value={figures.mtd_ratio} ratio />
            </span>
            <span>
              YTD <Pnl value={figures.ytd_ratio} ratio />
            </span>
          </Group>
        }
      >
        <Pnl value={figures.today_pnl} />{' '}
        <Text span fz="sm">
          <Pnl value={figures.today_ratio} ratio />
        </Text>
      </Figure>
      <Figure name="Drawdown from peak" stale={figures.stale} note="of the whole history">
        {percent(figures.drawdown_ratio)}
      </Figure>
      <Figure
        name="Margin use"
        stale={figures.stale}
        note={
          <>
            <Money value={figures.margin_used} /> {currency}
            {figures.margin_limit_ratio != null && (
              <> · limit {percent(figures.margin_limit_ratio)}</>
            )}
          </>
        }
      >
        {percent(figures.margin_ratio)}
        <Meter
          label="margin use"
          used={numberOf(figures.margin_ratio)}
          limit={numberOf(figures.margin_limit_ratio)}
        />
      </Figure>
    </SimpleGrid>
  )
}

function Figure({
  name,
  note,
  stale,
  children,
}: {
  name: string
  note: ReactNode
  stale: boolean
  children: ReactNode
}) {
  return (
    <Paper withBorder p="sm" component="section" aria-label={name}>
      <Group justify="space-between" gap="xs">
        <Text fz="xs" c="dimmed">
          {name}
        </Text>
        {stale && (
          <Badge size="xs" color="gray" variant="outline">
            stale
          </Badge>
        )}
      </Group>
      <Text fz="xl" fw={600} component="div" className={stale ? 'stale' : undefined}>
        {children}
      </Text>
      <Text fz="xs" c="dimmed" component="div">
        {note}
      </Text>
    </Paper>
  )
}
