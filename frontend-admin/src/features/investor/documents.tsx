import { Button, Code, Group, Stack, Text, TextInput } from '@mantine/core'
import { $dashboards } from '@/api/client'
import type { components } from '@/api/dashboard-creator'
import { Panel } from '@/components/panel'
import { Loaded } from '@/components/states'
import { useMay } from '@/lib/session'
import { useUrlState } from '@/lib/use-url-state'

export type InvestorView = components['schemas']['InvestorView']

/** What can be taken away: results as files, and for operators the report of a day. */
export function Documents({ view }: { view: InvestorView }) {
  const mayRead = useMay('READ')
  const curve = ['date,index,drawdown_pct'].concat(
    view.curve.map((point) => `${point.date},${point.index},${point.drawdown_pct}`),
  )
  const months = ['year,jan,feb,mar,apr,may,jun,jul,aug,sep,oct,nov,dec,total_pct'].concat(
    view.months.map((row) =>
      [row.year, ...row.months.map((month) => month ?? ''), row.total_pct].join(','),
    ),
  )
  return (
    <Panel title="Documents">
      <Stack gap="sm">
        <Group gap="xs">
          <Button variant="default" onClick={() => save('performance.csv', curve)}>
            Index by day (CSV)
          </Button>
          <Button variant="default" onClick={() => save('months.csv', months)}>
            Returns by month (CSV)
          </Button>
        </Group>
        {mayRead ? <DailyReport /> : <DailyResults />}
      </Stack>
    </Panel>
  )
}

/** The same day, results only. */
function DailyResults() {
  const [date, setDate] = useUrlState('date')
  const query = $dashboards.useQuery('get', '/api/v1/investor/daily', {
    params: { query: date ? { date } : {} },
  })
  return (
    <>
      <TextInput
        label="Results of"
        type="date"
        value={date || query.data?.date || ''}
        onChange={(event) => setDate(event.currentTarget.value)}
        w={160}
      />
      <Loaded query={query} what="The results" rows={4}>
        {(day) => (
          <Code block style={{ whiteSpace: 'pre-wrap' }} tabIndex={0}>
            {day.text}
            {day.day_is_over ? '' : '\nThe day is not over.'}
          </Code>
        )}
      </Loaded>
    </>
  )
}

/** It names accounts and trades, so it is for operators. */
function DailyReport() {
  const [date, setDate] = useUrlState('date')
  const query = $dashboards.useQuery('get', '/api/v1/reports/daily', {
    params: { query: date ? { date } : {} },
  })
  return (
    <>
      <TextInput
        label="Daily report of"
        type="date"
        value={date || query.data?.date || ''}
        onChange={(event) => setDate(event.currentTarget.value)}
        w={160}
      />
      <Loaded query={query} what="The report" rows={4}>
        {(report) => (
          <>
            <Text fz="xs" c="dimmed">
              Report of {report.date}
            </Text>
            <Code block style={{ whiteSpace: 'pre-wrap', maxHeight: 320 }} tabIndex={0}>
              {report.text}
            </Code>
          </>
        )}
      </Loaded>
    </>
  )
}

function save(name: string, lines: string[]): void {
  const url = URL.createObjectURL(new Blob([`${lines.join('\n')}\n`], { type: 'text/csv' }))
  const link = document.createElement('a')
  link.href = url
  link.download = name
  link.click()
  URL.revokeObjectURL(url)
}
