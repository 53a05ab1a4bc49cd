import { Alert, Group, Select, Stack, Text } from '@mantine/core'
import { useState } from 'react'
import { sentenceOf } from '@/api/problem'
import { words } from '@/lib/format'
import { useRefresh } from '@/lib/use-refresh'
import { useUrlState } from '@/lib/use-url-state'
import type { Upload } from './types'
import { type Claim, COLUMNS, type Column, keepFile, keptFile, upload as send } from './uploading'

/**
 * Which column was taken for what. Another choice has the file read anew: what is confirmed is
 * always what was reviewed.
 */
export function ColumnCheck({ upload }: { upload: Upload }) {
  const { columns, unused } = upload.review
  const [, setAsked] = useUrlState('review')
  const [failure, setFailure] = useState<unknown>(null)
  const [busy, setBusy] = useState(false)
  const refresh = useRefresh()
  const file = keptFile(upload.review_id)
  const names = [...new Set([...Object.values(columns), ...unused])]

  async function choose(column: Column, name: string) {
    if (!file) return
    setBusy(true)
    setFailure(null)
    try {
      const chosen = { ...columns, [column]: name } as Partial<Record<Column, string>>
      const made = await send(upload.strategy_id, upload.source as Claim, file, chosen)
      keepFile(made.review_id, file)
      await refresh('/api/v1/strategies/{strategy_id}/records')
      setAsked(made.review_id)
    } catch (error) {
      setFailure(error)
    } finally {
      setBusy(false)
    }
  }

  return (
    <Stack gap={6} role="group" aria-label="Columns">
      <Group gap="xs" align="end">
        {COLUMNS.map((column) => (
          <Select
            key={column}
            label={words(column)}
            data={names}
            value={columns[column] ?? null}
            placeholder="not there"
            allowDeselect={false}
            disabled={!file || busy}
            w={150}
            onChange={(name) => name && name !== columns[column] && void choose(column, name)}
          />
        ))}
      </Group>
      <Text fz="xs" c="dimmed">
        {unused.length > 0 ? `Not used: ${unused.join(', ')}. ` : 'Every column is used. '}
        {!file && 'To read it with other columns, upload the file again.'}
      </Text>
      {failure !== null && (
        <Alert color="red" variant="light" role="alert">
          {sentenceOf(failure)}
        </Alert>
      )}
    </Stack>
  )
}
