import { SimpleGrid, Stack } from '@mantine/core'
import { keepPreviousData } from '@tanstack/react-query'
import { $dashboards } from '@/api/client'
import { Page } from '@/components/page'
import { Panel } from '@/components/panel'
import { Loaded } from '@/components/states'
import { useUrlState } from '@/lib/use-url-state'
import { EquityCurve, RANGES, type Range } from './equity-curve'
import { ExposurePanel } from './exposure'
import { FourFigures } from './figures'
import { NeedsPerson } from './needs-person'
import { ServiceStrip } from './service-strip'
import { StrategiesTable } from './strategies-table'

/** The page that people look at most: one answer, one glance. */
export function OverviewPage() {
  const [said, choose] = useUrlState('range', '1M')
  const range: Range = RANGES.find((each) => each === said) ?? '1M'
  const overview = $dashboards.useQuery(
    'get',
    '/api/v1/overview',
    { params: { query: { range } } },
    { placeholderData: keepPreviousData },
  )
  return (
    <Page title="Overview">
      <Loaded query={overview} what="The overview" rows={16}>
        {({ figures, curve, strategies, exposure, needs_person, services }) => (
          <Stack gap="md">
            <FourFigures figures={figures} />
            <EquityCurve curve={curve} currency={figures.currency} range={range} choose={choose} />
            <Panel title="Strategies">
              <StrategiesTable lines={strategies} currency={figures.currency} />
            </Panel>
            <SimpleGrid cols={{ base: 1, md: 2 }} spacing="md">
              <ExposurePanel exposure={exposure} />
              <NeedsPerson needs={needs_person} />
            </SimpleGrid>
            <ServiceStrip services={services} />
          </Stack>
        )}
      </Loaded>
    </Page>
  )
}
