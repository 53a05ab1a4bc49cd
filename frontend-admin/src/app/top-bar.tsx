import { Badge, Button, Group, Text, Tooltip, UnstyledButton } from '@mantine/core'
import { IconAlertTriangle, IconSearch } from '@tabler/icons-react'
import { Link } from 'react-router'
import { Pnl } from '@/components/money'
import { amount, duration } from '@/lib/format'
import { useMay } from '@/lib/session'
import { Bell } from './bell'
import { LiveIndicator } from './live-indicator'
import styles from './shell.module.css'
import type { Frame } from './use-frame'
import { UserMenu } from './user-menu'

/** White is readable on the green and the red; the amber takes black. */
const STATES = { ACTIVE: '#1f7a36', REDUCING: 'yellow.6', HALTED: 'red.8' }

/** Always in sight: what this is, how trading is, what it is worth, and whether that is of now. */
export function TopBar({
  frame,
  failed,
  search,
  help,
}: {
  frame: Frame | undefined
  failed: boolean
  search: () => void
  help: () => void
}) {
  const reads = useMay('READ')
  return (
    <div className={styles.bar}>
      {frame && <Environment name={frame.environment} />}
      {frame && reads && <Trading frame={frame} />}
      {frame && <Equity frame={frame} failed={failed} />}
      <div className={styles.grow} />
      {reads && frame && frame.incidents > 0 && (
        <Button
          component={Link}
          to="/system?tab=incidents"
          size="compact-sm"
          color="red.8"
          variant="filled"
          leftSection={<IconAlertTriangle size={14} />}
          aria-label={`${frame.incidents} open incidents`}
        >
          {frame.incidents}
        </Button>
      )}
      {reads && <SearchButton open={search} />}
      <LiveIndicator />
      <Bell />
      <UserMenu help={help} />
    </div>
  )
}

function Environment({ name }: { name: Frame['environment'] }) {
  const live = name === 'LIVE'
  return (
    <Tooltip label={live ? 'Real money' : 'Paper trading: no real money'}>
      <Badge className={styles.badge} size="lg" radius="sm" color={live ? 'red.8' : 'blue.8'}>
        {name}
      </Badge>
    </Tooltip>
  )
}

function Trading({ frame }: { frame: Frame }) {
  return (
    <Tooltip label={frame.sentence} multiline maw={320}>
      <Badge
        component={Link}
        to="/risk"
        className={styles.badge}
        size="lg"
        radius="sm"
        autoContrast
        color={STATES[frame.trading_state]}
        style={{ cursor: 'pointer' }}
        aria-label={`Trading is ${frame.trading_state}: open the risk page`}
      >
        {frame.trading_state}
      </Badge>
    </Tooltip>
  )
}

function Equity({ frame, failed }: { frame: Frame; failed: boolean }) {
  if (frame.equity === null || frame.equity === undefined) return null
  const old = frame.stale || failed
  const age = frame.age_s === null || frame.age_s === undefined ? null : frame.age_s * 1000
  const said = old ? `${frame.oldest_account ?? 'equity'}: figures ${duration(age)} old` : undefined
  return (
    <Tooltip label={said} disabled={!old}>
      <div className={old ? `${styles.figures} ${styles.old}` : styles.figures}>
        <span className={styles.figure}>
          <small>Equity {frame.currency}</small>
          <Text span fz="sm" fw={600}>
            {amount(frame.equity, 0)}
          </Text>
        </span>
        <span className={styles.figure}>
          <small>{old ? `${duration(age)} old` : 'Today'}</small>
          <Text span fz="sm" fw={600}>
            <Pnl value={frame.today_pnl} digits={0} />
          </Text>
        </span>
      </div>
    </Tooltip>
  )
}

function SearchButton({ open }: { open: () => void }) {
  return (
    <UnstyledButton onClick={open} aria-label="Search (press /)" px={6}>
      <Group gap={6} wrap="nowrap" c="dimmed">
        <IconSearch size={17} aria-hidden />
        <Text fz="xs" visibleFrom="lg">
          Search
        </Text>
        <Text fz="xs" visibleFrom="lg" ff="monospace" aria-hidden>
          /
        </Text>
      </Group>
    </UnstyledButton>
  )
}
