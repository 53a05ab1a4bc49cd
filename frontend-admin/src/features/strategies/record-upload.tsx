import { Alert, Button, FileInput, Group, Select, Stack, Text } from '@mantine/core'
import { useState } from 'react'
import { sentenceOf } from '@/api/problem'
import { Panel } from '@/components/panel'
import { useRefresh } from '@/lib/use-refresh'
import { SOURCES } from './types'
import { type Claim, keepFile, upload } from './uploading'

const CLAIMS: Claim[] = ['backtest', 'developer_live']

/** A developer's file: it is read and reviewed, and counts only when a person has confirmed it. */
export function RecordUpload({
  strategyId,
  reviewed,
}: {
  strategyId: string
  reviewed: (reviewId: string) => void
}) {
  const [file, setFile] = useState<File | null>(null)
  const [source, setSource] = useState<Claim>('backtest')
  const [failure, setFailure] = useState<unknown>(null)
  const [busy, setBusy] = useState(false)
  const refresh = useRefresh()

  async function send() {
    if (!file) return
    setBusy(true)
    setFailure(null)
    try {
      const made = await upload(strategyId, source, file)
      keepFile(made.review_id, file)
      await refresh('/api/v1/strategies/{strategy_id}/records')
      setFile(null)
      reviewed(made.review_id)
    } catch (error) {
      setFailure(error)
    } finally {
      setBusy(false)
    }
  }

  return (
    <Panel title="Upload a record">
      <Stack gap="sm">
        <Text fz="sm" c="dimmed">
          CSV of any dialect, Excel or JSON; one row a day with a date and a return. Nothing counts
          before it is confirmed.
        </Text>
        <Group gap="xs" align="end">
          <FileInput
            size="xs"
            label="File"
            placeholder="Choose a file"
            accept=".csv,.tsv,.txt,.xlsx,.json"
            value={file}
            onChange={setFile}
            clearable
            w={{ base: '100%', xs: 260 }}
          />
          <Select
            label="It is"
            data={CLAIMS.map((each) => ({ value: each, label: SOURCES[each] ?? each }))}
            value={source}
            allowDeselect={false}
            onChange={(chosen) => setSource(chosen as Claim)}
            w={210}
          />
          <Button onClick={send} disabled={!file} loading={busy}>
            Read it
          </Button>
        </Group>
        {failure !== null && (
          <Alert color="red" variant="light" role="alert" title="The file cannot be taken">
            {sentenceOf(failure)}
          </Alert>
        )}
      </Stack>
    </Panel>
  )
}
