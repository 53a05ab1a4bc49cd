import { Alert, Button, Group, List, Stack, Text, Textarea } from '@mantine/core'
import { useState } from 'react'
import { gateway } from '@/api/client'
import { sentenceOf } from '@/api/problem'
import type { components } from '@/api/signal-gateway'
import { CopyBlock } from '@/components/copy-block'
import { Panel } from '@/components/panel'

type Report = components['schemas']['LintReport']
const EXAMPLE = `{"signal_type": "ENTRY", "account_equity": 500000,
 "signal_legs": [{"instrument": "AAPL", "instrument_type": "STOCK",
                  "action": "BUY", "quantity": 10, "order_type": "MARKET", "price": 150.0}]}`

/** Any text, and what would happen if it were sent; nothing is stored or traded. */
export function LintTab() {
  const [text, setText] = useState(EXAMPLE)
  const [report, setReport] = useState<Report | null>(null)
  const [failure, setFailure] = useState<unknown>(null)
  const [busy, setBusy] = useState(false)

  async function lint() {
    setBusy(true)
    setFailure(null)
    try {
      // The text goes as it is: it may well be broken JSON.
      const { data } = await gateway.POST('/api/v1/signals/lint', {
        body: text,
        bodySerializer: () => text,
        headers: { 'Content-Type': 'text/plain' },
      })
      setReport(data ?? null)
    } catch (error) {
      setFailure(error)
      setReport(null)
    } finally {
      setBusy(false)
    }
  }

  return (
    <Panel title="Try a signal without trading it">
      <Stack gap="sm">
        <Textarea
          label="Signal"
          description="JSON, an alert with placeholders, or lines of key: value"
          autosize
          minRows={8}
          maxRows={24}
          value={text}
          spellCheck={false}
          styles={{ input: { fontFamily: 'var(--mantine-font-family-monospace)' } }}
          onChange={(event) => setText(event.currentTarget.value)}
        />
        <Group>
          <Button onClick={lint} loading={busy} disabled={text.trim() === ''}>
            What would happen?
          </Button>
        </Group>
        {failure !== null && (
          <Alert color="red" variant="light" role="alert">
            {sentenceOf(failure)}
          </Alert>
        )}
        {report && <Told report={report} use={setText} />}
      </Stack>
    </Panel>
  )
}

function Told({ report, use }: { report: Report; use: (text: string) => void }) {
  return (
    <Alert
      color={report.ok ? 'green' : 'red'}
      variant="light"
      role="status"
      title={report.ok ? 'It would be accepted' : 'It would be refused'}
    >
      <Stack gap="xs">
        <Text fz="sm">{report.summary}</Text>
        <List size="sm">
          {report.problems.map((problem) => (
            <List.Item key={`${problem.code}-${problem.line}-${problem.column}-${problem.field}`}>
              {problem.line ? `Line ${problem.line}, column ${problem.column}: ` : ''}
              {problem.message}
              {problem.fix && ` → ${problem.fix}`}{' '}
              <Text span fz="xs">
                ({problem.code})
              </Text>
            </List.Item>
          ))}
          {report.warnings.map((warning) => (
            <List.Item key={warning}>{warning}</List.Item>
          ))}
        </List>
        {report.repaired && (
          <>
            <CopyBlock label="Repaired" value={report.repaired} />
            <Button
              variant="default"
              style={{ alignSelf: 'start' }}
              onClick={() => use(report.repaired ?? '')}
            >
              Use the repaired text
            </Button>
          </>
        )}
      </Stack>
    </Alert>
  )
}
