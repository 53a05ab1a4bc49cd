import { Alert, Button, List, Stack, Text } from '@mantine/core'
import { useState } from 'react'
import { gateway } from '@/api/client'
import type { components } from '@/api/dashboard-creator'
import { sentenceOf } from '@/api/problem'
import type { components as Gateway } from '@/api/signal-gateway'
import { CopyBlock } from '@/components/copy-block'
import { Panel } from '@/components/panel'
import { Empty } from '@/components/states'
import { pretty } from '@/lib/pretty'

type Raw = components['schemas']['RawSignal']
type Report = Gateway['schemas']['LintReport']

/** What was sent, word by word, secrets removed; and what the linter says of it today. */
export function RawPayload({ raw }: { raw: Raw | null | undefined }) {
  const [report, setReport] = useState<Report | null>(null)
  const [failure, setFailure] = useState<unknown>(null)
  const [busy, setBusy] = useState(false)
  const payload = raw?.body ?? ''

  async function lint() {
    setBusy(true)
    setFailure(null)
    try {
      const { data } = await gateway.POST('/api/v1/signals/lint', {
        body: payload,
        bodySerializer: (text) => String(text),
      })
      setReport(data ?? null)
    } catch (error) {
      setFailure(error)
    } finally {
      setBusy(false)
    }
  }

  return (
    <Panel
      title="Raw payload"
      actions={
        payload && (
          <Button variant="default" loading={busy} onClick={() => void lint()}>
            Lint
          </Button>
        )
      }
    >
      <Stack gap="xs">
        {failure !== null && (
          <Alert color="red" variant="light" role="alert">
            {sentenceOf(failure)}
          </Alert>
        )}
        {report && <Verdict report={report} />}
        {payload ? (
          <CopyBlock value={pretty(payload)} label={cameBy(raw)} />
        ) : (
          <Empty>The payload is not kept any more.</Empty>
        )}
      </Stack>
    </Panel>
  )
}

/** `as it came by the api from 10.0.0.5, secrets removed` */
function cameBy(raw: Raw | null | undefined): string {
  const by = raw?.source ? ` by ${raw.source}` : ''
  const from = raw?.remote ? ` from ${raw.remote}` : ''
  return `as it came${by}${from}, secrets removed`
}

function Verdict({ report }: { report: Report }) {
  return (
    <Alert
      color={report.ok ? 'green' : 'red'}
      variant="light"
      title={report.ok ? 'It would be accepted' : 'It would be refused'}
      role="status"
    >
      <Text fz="sm">{report.summary}</Text>
      <List fz="sm">
        {report.problems.map((problem) => (
          <List.Item key={problem.code + problem.field}>
            {problem.message} {problem.fix}
          </List.Item>
        ))}
        {report.warnings.map((warning) => (
          <List.Item key={warning}>{warning}</List.Item>
        ))}
      </List>
    </Alert>
  )
}
