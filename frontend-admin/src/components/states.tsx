import { Alert, Button, Center, Code, Skeleton, Stack, Text } from '@mantine/core'
import { IconAlertTriangle } from '@tabler/icons-react'
import { type ReactNode, useEffect, useState } from 'react'
import { sentenceOf } from '@/api/problem'
import { TimeText } from './time-text'

/** Nothing for 100 ms, then the shape of what comes: a quick answer does not flicker. */
export function Loading({ rows = 6, height = 26 }: { rows?: number; height?: number }) {
  const [shown, setShown] = useState(false)
  useEffect(() => {
    const timer = setTimeout(() => setShown(true), 100)
    return () => clearTimeout(timer)
  }, [])
  return (
    <Stack gap={6} role="status" aria-busy="true" aria-label="loading" mih={rows * height}>
      {shown &&
        Array.from({ length: rows }, (_, row) => row).map((row) => (
          <Skeleton key={row} h={height} />
        ))}
    </Stack>
  )
}

/** One sentence, and the next step. */
export function Empty({ children, command }: { children: ReactNode; command?: string }) {
  return (
    <Center mih={120}>
      <Stack align="center" gap={6}>
        <Text c="dimmed">{children}</Text>
        {command && <Code>{command}</Code>}
      </Stack>
    </Center>
  )
}

/** What failed, and how to go on. */
export function Failed({
  error,
  retry,
  what,
}: {
  error: unknown
  retry?: () => void
  what: string
}) {
  return (
    <Alert
      color="red"
      variant="light"
      icon={<IconAlertTriangle />}
      title={`${what} cannot be shown`}
      role="alert"
    >
      <Stack gap="xs" align="start">
        <Text fz="sm">{sentenceOf(error)}</Text>
        {retry && (
          <Button variant="default" onClick={retry}>
            Try again
          </Button>
        )}
      </Stack>
    </Alert>
  )
}

interface Query<T> {
  data: T | undefined
  error: unknown
  isPending: boolean
  dataUpdatedAt: number
  refetch: () => unknown
}

/**
 * What a query brings, in each of its states. Where a refresh failed, the old figures stay, under a
 * line that says how old they are.
 */
export function Loaded<T>({
  query,
  what,
  rows,
  children,
}: {
  query: Query<T>
  what: string
  rows?: number
  children: (found: T) => ReactNode
}) {
  if (query.data === undefined) {
    if (query.error)
      return <Failed error={query.error} what={what} retry={() => void query.refetch()} />
    return <Loading rows={rows} />
  }
  return (
    <>
      {query.error !== null && query.error !== undefined && (
        <Alert color="yellow" variant="light" mb="sm" role="status">
          {what}: {sentenceOf(query.error)}. These figures are of{' '}
          <TimeText at={new Date(query.dataUpdatedAt).toISOString()} />.
        </Alert>
      )}
      {children(query.data)}
    </>
  )
}
