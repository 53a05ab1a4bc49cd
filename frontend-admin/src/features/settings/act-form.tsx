import { Alert, Button, Group, Stack } from '@mantine/core'
import { type ReactNode, useState } from 'react'
import { sentenceOf } from '@/api/problem'

/** A few fields and a button; says what failed under them, and what was done once it was. */
export function ActForm({
  action,
  ready = true,
  act,
  done,
  cancel,
  children,
}: {
  action: string
  ready?: boolean
  act: () => Promise<unknown>
  /** What is said when it worked. */
  done?: string
  cancel?: () => void
  children?: ReactNode
}) {
  const [failure, setFailure] = useState<unknown>(null)
  const [said, setSaid] = useState(false)
  const [busy, setBusy] = useState(false)

  async function submit() {
    setBusy(true)
    setFailure(null)
    setSaid(false)
    try {
      await act()
      setSaid(true)
    } catch (error) {
      setFailure(error)
    }
    setBusy(false)
  }

  return (
    <form
      onSubmit={(event) => {
        event.preventDefault()
        if (ready && !busy) void submit()
      }}
    >
      <Stack gap="sm" maw={420}>
        {children}
        {failure !== null && (
          <Alert color="red" variant="light" role="alert" p="xs">
            {sentenceOf(failure)}
          </Alert>
        )}
        {said && done && (
          <Alert color="green" variant="light" role="status" p="xs">
            {done}
          </Alert>
        )}
        <Group gap="xs">
          <Button type="submit" loading={busy} disabled={!ready}>
            {action}
          </Button>
          {cancel && (
            <Button variant="default" onClick={cancel}>
              Leave it
            </Button>
          )}
        </Group>
      </Stack>
    </form>
  )
}
