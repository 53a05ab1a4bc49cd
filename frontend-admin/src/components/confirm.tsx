import { Alert, Button, Group, Modal, Stack, Table, Text, TextInput } from '@mantine/core'
import { type ReactNode, useState } from 'react'
import { sentenceOf } from '@/api/problem'

export interface Confirmation {
  title: string
  /** What would be done, repeated: account, instrument, side, quantity, money. */
  facts: [string, ReactNode][]
  /** The word to type where money is at stake, e.g. LIVE or FLATTEN. */
  word?: string
  /** Whether a reason must be given; it goes to the audit log. */
  reason?: boolean
  action: string
  danger?: boolean
  act: (reason: string) => Promise<unknown>
}

/** Asks once more before anything that moves money; stays open and says why where it failed. */
export function Confirm({ asked, close }: { asked: Confirmation | null; close: () => void }) {
  return (
    <Modal opened={asked !== null} onClose={close} title={asked?.title} centered>
      {asked && <Question asked={asked} close={close} />}
    </Modal>
  )
}

function Question({ asked, close }: { asked: Confirmation; close: () => void }) {
  const [typed, setTyped] = useState('')
  const [reason, setReason] = useState('')
  const [failure, setFailure] = useState<unknown>(null)
  const [busy, setBusy] = useState(false)
  const ready = (!asked.word || typed === asked.word) && (!asked.reason || reason.trim() !== '')

  async function act() {
    setBusy(true)
    setFailure(null)
    try {
      await asked.act(reason.trim())
      close()
    } catch (error) {
      setFailure(error)
    } finally {
      setBusy(false)
    }
  }

  return (
    <form
      onSubmit={(event) => {
        event.preventDefault()
        if (ready && !busy) void act()
      }}
    >
      <Stack gap="sm">
        <Table variant="vertical" withTableBorder>
          <Table.Tbody>
            {asked.facts.map(([name, fact]) => (
              <Table.Tr key={name}>
                <Table.Th w={130}>{name}</Table.Th>
                <Table.Td>{fact}</Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
        {asked.reason && (
          <TextInput
            label="Reason"
            value={reason}
            required
            maxLength={500}
            onChange={(event) => setReason(event.currentTarget.value)}
            data-autofocus
          />
        )}
        {asked.word && (
          <TextInput
            label={
              <Text span fz="sm">
                Type <b>{asked.word}</b> to go on
              </Text>
            }
            value={typed}
            autoComplete="off"
            onChange={(event) => setTyped(event.currentTarget.value)}
          />
        )}
        {failure !== null && (
          <Alert color="red" variant="light" role="alert">
            {sentenceOf(failure)}
          </Alert>
        )}
        <Group justify="flex-end">
          <Button variant="default" onClick={close}>
            Leave it
          </Button>
          <Button
            type="submit"
            color={asked.danger ? 'red' : undefined}
            disabled={!ready}
            loading={busy}
          >
            {asked.action}
          </Button>
        </Group>
      </Stack>
    </form>
  )
}
