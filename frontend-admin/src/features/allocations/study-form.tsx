import {
  Alert,
  Button,
  Group,
  MultiSelect,
  Select,
  SimpleGrid,
  Stack,
  Switch,
  Text,
} from '@mantine/core'
import { useState } from 'react'
import { useNavigate } from 'react-router'
import { portfolio } from '@/api/client'
import type { components } from '@/api/portfolio-builder'
import { sentenceOf } from '@/api/problem'
import { Panel } from '@/components/panel'
import { PercentInput } from '@/components/percent-input'
import { words } from '@/lib/format'
import { useRefresh } from '@/lib/use-refresh'
import { useStrategyNames } from '@/lib/use-strategy-names'

type Request = components['schemas']['StudyRequest']
const METHODS: Request['method'][] = [
  'HYBRID',
  'MAX_SHARPE',
  'MAX_GROWTH',
  'MIN_VARIANCE',
  'RISK_PARITY',
  'HRP',
  'EQUAL_WEIGHT',
]
const BOUNDS = [
  ['max_total_ratio', 'Together at most', '2'],
  ['max_weight_ratio', 'Each at most', '0.5'],
  ['max_drawdown_ratio', 'Drawdown at most', '0.2'],
  ['max_volatility_ratio', 'Volatility at most', ''],
  ['max_turnover_ratio', 'Turnover at most', ''],
] as const
type Bound = (typeof BOUNDS)[number][0]

/** What to study: which strategies, which method, within what. */
export function StudyForm() {
  const names = useStrategyNames()
  const [chosen, setChosen] = useState<string[]>([])
  const [method, setMethod] = useState<Request['method']>('HYBRID')
  const [alpha, setAlpha] = useState('0.5')
  const [bounds, setBounds] = useState<Partial<Record<Bound, string>>>(
    Object.fromEntries(BOUNDS.map(([name, , start]) => [name, start])),
  )
  const [walk, setWalk] = useState(true)
  const [failure, setFailure] = useState<unknown>(null)
  const [busy, setBusy] = useState(false)
  const navigate = useNavigate()
  const refresh = useRefresh()

  async function start() {
    setBusy(true)
    setFailure(null)
    const constraints = Object.fromEntries(
      Object.entries(bounds)
        .filter(([, ratio]) => ratio !== '')
        .map(([name, ratio]) => [name, Number(ratio)]),
    )
    // What is not sent is as by default.
    const body = {
      strategy_ids: chosen,
      method,
      alpha_ratio: Number(alpha),
      constraints,
      ...(walk ? {} : { walk_forward: null }),
    } as unknown as Request
    try {
      const { data } = await portfolio.POST('/api/v1/portfolio-tests/run', { body })
      await refresh('/api/v1/portfolio-tests')
      if (data) navigate(`/allocations/studies/${encodeURIComponent(data.test_id)}`)
    } catch (error) {
      setFailure(error)
    } finally {
      setBusy(false)
    }
  }

  return (
    <Panel title="New study">
      <Stack gap="sm">
        <MultiSelect
          size="xs"
          label="Strategies"
          description="those with a record of daily returns"
          data={names}
          value={chosen}
          onChange={setChosen}
          searchable
          clearable
        />
        <SimpleGrid cols={{ base: 2, sm: 3, lg: 6 }}>
          <Select
            label="Method"
            data={METHODS.map((each) => ({ value: each, label: words(each) }))}
            value={method}
            allowDeselect={false}
            onChange={(next) => setMethod(next as Request['method'])}
          />
          {BOUNDS.map(([name, title]) => (
            <PercentInput
              key={name}
              label={title}
              ratio={bounds[name] ?? ''}
              change={(ratio) => setBounds({ ...bounds, [name]: ratio })}
            />
          ))}
          {method === 'HYBRID' && (
            <PercentInput label="Weight of Sharpe" ratio={alpha} change={setAlpha} />
          )}
        </SimpleGrid>
        <Switch
          label="Try it on days that it had not seen (walk-forward)"
          checked={walk}
          onChange={(event) => setWalk(event.currentTarget.checked)}
        />
        {failure !== null && (
          <Alert color="red" variant="light" role="alert">
            {sentenceOf(failure)}
          </Alert>
        )}
        <Group gap="sm">
          <Button onClick={start} loading={busy} disabled={chosen.length === 0}>
            Start the study
          </Button>
          <Text fz="xs" c="dimmed">
            It changes nothing: its result can be proposed.
          </Text>
        </Group>
      </Stack>
    </Panel>
  )
}
