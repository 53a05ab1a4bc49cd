import { Alert, Button, Group, Modal, Stack, Table, Text, TextInput } from '@mantine/core'
import { type ReactNode, useState } from 'react'
import { sentenceOf } from '@/api/problem'
import { useRealMoney } from '@/lib/use-real-money'

/** A name, and what it is. */
export type Fact = [string, ReactNode]

export interface Confirmation {
  title: string
  /** What would be done, repeated: account, instrument, side, quantity, money. */
  facts: Fact[]
  /** Whether money is moved by it: where that is real, LIVE is to be typed, before any `word`. */
  money?: boolean
  /** A word to type in any case, e.g. FLATTEN. */
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
  // Looked at while the question stands: what was not known when it was opened may be known now.
  const live = useRealMoney(asked.money ?? false)
  const word = [live ? 'LIVE' : '', asked.word ?? ''].join(' ').trim()
  const facts: Fact[] = asked.money
    ? [...asked.facts, ['Environment', live ? 'LIVE, real money' : 'paper']]
    : asked.facts
  const ready = (!word || typed === word) && (!asked.reason || reason.trim() !== '')

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
            {facts.map(([name, fact]) => (
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
        {word && (
          <TextInput
            label={
              <Text span fz="sm">
                Type <b>{word}</b> to go on
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
            color={(asked.danger ?? live) ? 'red' : undefined}
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
