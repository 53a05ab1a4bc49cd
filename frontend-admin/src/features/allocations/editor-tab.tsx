import { Button, Group, Select, SimpleGrid, Stack, Table, Text } from '@mantine/core'
import { useDebouncedValue } from '@mantine/hooks'
import { keepPreviousData } from '@tanstack/react-query'
import { useState } from 'react'
import { useNavigate } from 'react-router'
import { $portfolio, portfolio } from '@/api/client'
import { KeyFacts } from '@/components/key-facts'
import { Panel } from '@/components/panel'
import { PercentInput } from '@/components/percent-input'
import { Failed, Loaded } from '@/components/states'
import { useAsk } from '@/components/use-ask'
import { amount, percent } from '@/lib/format'
import { useRefresh } from '@/lib/use-refresh'
import { useStrategyNames } from '@/lib/use-strategy-names'
import { AllocationBar } from './allocation-bar'
import { ComparisonView } from './comparison'
import { useCaps, useCurrent } from './current-tab'
import { type Allocation, cssColorOf, type Ratios, ratiosOf, sumOf } from './types'

const LAST_DAYS = 90

/** Another allocation, and what it would have been, while it is typed. */
export function EditorTab() {
  const query = useCurrent()
  return (
    <Loaded query={query} what="The allocation" rows={8}>
      {(current) => <Editor current={current} />}
    </Loaded>
  )
}

function Editor({ current }: { current: Allocation }) {
  const [ratios, setRatios] = useState<Ratios>(() => ratiosOf(current.allocations))
  const caps = useCaps()
  const names = useStrategyNames()
  const { ask, question } = useAsk()
  const refresh = useRefresh()
  const navigate = useNavigate()
  const filled = Object.fromEntries(Object.entries(ratios).filter(([, ratio]) => ratio !== ''))
  const [asked] = useDebouncedValue(filled, 350)
  const compared = $portfolio.useQuery(
    'post',
    '/api/v1/allocations/compare',
    { body: { allocations: asked, last_days: LAST_DAYS } },
    { placeholderData: keepPreviousData, refetchInterval: false, staleTime: 60_000 },
  )
  const now = ratiosOf(current.allocations)
  const changed = JSON.stringify(sorted(filled)) !== JSON.stringify(sorted(now))
  const total = sumOf(Object.values(filled))
  const after = (compared.data?.comparison.aligned ?? compared.data?.comparison.recent)?.after
  const settling = asked !== filled && JSON.stringify(asked) !== JSON.stringify(filled)
  const capOf = (id: string) =>
    caps.data?.strategies.find((each) => each.strategy_id === id)?.max_ratio ?? null

  function propose() {
    ask({
      title: 'Propose this allocation',
      facts: [
        ...Object.keys({ ...now, ...filled })
          .filter((id) => now[id] !== filled[id])
          .map((id): [string, string] => [
            id,
            `${percent(now[id] ?? '0')} → ${percent(filled[id] ?? '0')}`,
          ]),
        ['Total', percent(total)],
        ['Then', 'it waits for an approval; nothing trades by it yet'],
      ],
      reason: true,
      action: 'Propose',
      act: async (reason) => {
        const { data } = await portfolio.POST('/api/v1/allocations/proposals', {
          body: { allocations: filled, reason },
        })
        await refresh('/api/v1/allocations')
        if (data) navigate(`/allocations/proposals/${encodeURIComponent(data.proposal_id)}`)
      },
    })
  }

  return (
    <Stack gap="md">
      <Panel title="Expected, by the past">
        <KeyFacts
          facts={[
            [
              'Sum',
              `${percent(total)}${caps.data?.max_ratio ? ` of ${percent(caps.data.max_ratio, 0)}` : ''}`,
            ],
            ['Leverage', `${amount(total)} ×`],
            ['Volatility a year', percent(after?.volatility_ratio)],
            ['Largest drawdown', percent(after?.max_drawdown_ratio)],
            ['Return a year', percent(after?.annual_return_ratio)],
            ['Sharpe', amount(after?.sharpe)],
          ]}
        />
        <Text fz="xs" c="dimmed" mt={4} role="status">
          {compared.isFetching || settling ? 'counting …' : 'of this allocation'}
        </Text>
      </Panel>
      <SimpleGrid cols={{ base: 1, md: 2 }}>
        <Panel
          title="Allocation"
          actions={
            <Button
              variant="default"
              disabled={!changed}
              onClick={() => setRatios(ratiosOf(current.allocations))}
            >
              Back to what trades
            </Button>
          }
        >
          <AllocationBar
            rows={Object.entries(filled).map(([strategy_id, ratio]) => ({ strategy_id, ratio }))}
            cap={caps.data?.max_ratio ?? null}
          />
          <Rows ratios={ratios} now={now} capOf={capOf} change={setRatios} />
          <Group gap="xs" mt="sm" justify="space-between">
            <Select
              aria-label="Add a strategy"
              placeholder="Add a strategy"
              data={names.filter((name) => !(name in ratios))}
              value={null}
              searchable
              onChange={(name) => name && setRatios({ ...ratios, [name]: '0' })}
              w={200}
            />
            <Button
              onClick={propose}
              disabled={!changed || (compared.data?.faults.length ?? 0) > 0}
            >
              Propose
            </Button>
          </Group>
        </Panel>
        <Panel title="Against what trades">
          {compared.error ? (
            <Failed
              error={compared.error}
              what="The comparison"
              retry={() => void compared.refetch()}
            />
          ) : (
            compared.data && <ComparisonView compared={compared.data} />
          )}
        </Panel>
      </SimpleGrid>
      {question}
    </Stack>
  )
}

function Rows({
  ratios,
  now,
  capOf,
  change,
}: {
  ratios: Ratios
  now: Ratios
  capOf: (id: string) => string | null
  change: (ratios: Ratios) => void
}) {
  return (
    <Table aria-label="Ratios">
      <Table.Thead>
        <Table.Tr>
          <Table.Th>Strategy</Table.Th>
          <Table.Th ta="right">Now</Table.Th>
          <Table.Th ta="right">Cap</Table.Th>
          <Table.Th w={120}>Then</Table.Th>
        </Table.Tr>
      </Table.Thead>
      <Table.Tbody>
        {Object.entries(ratios).map(([id, ratio], place) => {
          const cap = capOf(id)
          return (
            <Table.Tr key={id}>
              <Table.Td>
                <span aria-hidden="true" style={{ color: cssColorOf(place) }}>
                  ■{' '}
                </span>
                {id}
                {cap && Number(ratio) > Number(cap) && (
                  <Text fz="xs" c="red">
                    above its cap
                  </Text>
                )}
              </Table.Td>
              <Table.Td ta="right">{percent(now[id] ?? '0')}</Table.Td>
              <Table.Td ta="right">{percent(cap)}</Table.Td>
              <Table.Td>
                <PercentInput
                  hidden
                  label={`Allocation of ${id}`}
                  ratio={ratio}
                  change={(next) => change({ ...ratios, [id]: next })}
                />
              </Table.Td>
            </Table.Tr>
          )
        })}
      </Table.Tbody>
    </Table>
  )
}

function sorted(ratios: Ratios): [string, number][] {
  return Object.entries(ratios)
    .map(([id, ratio]): [string, number] => [id, Number(ratio)])
    .filter(([, ratio]) => ratio !== 0)
    .sort(([one], [other]) => (one < other ? -1 : 1))
}
