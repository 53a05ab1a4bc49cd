import { Alert, Button, Group, Modal, Stack, TextInput } from '@mantine/core'
import { useForm } from '@mantine/form'
import { useDisclosure } from '@mantine/hooks'
import { useState } from 'react'
import { useNavigate } from 'react-router'
import { portfolio } from '@/api/client'
import type { components } from '@/api/portfolio-builder'
import { sentenceOf } from '@/api/problem'
import { useRefresh } from '@/lib/use-refresh'

type NewStrategyBody = components['schemas']['NewStrategy']

/** A button, and behind it the few things that a strategy needs to begin; it starts in PAPER. */
export function NewStrategy() {
  const [opened, { open, close }] = useDisclosure(false)
  return (
    <>
      <Button onClick={open}>New strategy</Button>
      <Modal opened={opened} onClose={close} title="New strategy" centered>
        {opened && <NewStrategyForm close={close} />}
      </Modal>
    </>
  )
}

function NewStrategyForm({ close }: { close: () => void }) {
  const navigate = useNavigate()
  const refresh = useRefresh()
  const [failure, setFailure] = useState<unknown>(null)
  const form = useForm({
    initialValues: { strategy_id: '', name: '', owner: '', reason: '' },
    validate: {
      strategy_id: (value) => (value.trim() === '' ? 'a strategy needs an id' : null),
      reason: (value) => (value.trim() === '' ? 'say why: it goes to the audit log' : null),
    },
  })
  async function make(values: typeof form.values) {
    setFailure(null)
    try {
      // What is not sent is as by default.
      const body = { ...values, mode: 'PAPER' } as NewStrategyBody
      await portfolio.POST('/api/v1/strategies', { body })
      await refresh('/api/v1/strategies')
      close()
      navigate(`/strategies/${encodeURIComponent(values.strategy_id)}`)
    } catch (error) {
      setFailure(error)
    }
  }
  return (
    <form onSubmit={form.onSubmit(make)}>
      <Stack gap="sm">
        <TextInput
          label="Id"
          description="Senders name it in their signals; it never changes."
          required
          data-autofocus
          {...form.getInputProps('strategy_id')}
        />
        <TextInput label="Name" {...form.getInputProps('name')} />
        <TextInput label="Owner" {...form.getInputProps('owner')} />
        <TextInput label="Reason" required {...form.getInputProps('reason')} />
        {failure !== null && (
          <Alert color="red" variant="light" role="alert">
            {sentenceOf(failure)}
          </Alert>
        )}
        <Group justify="flex-end">
          <Button variant="default" onClick={close}>
            Leave it
          </Button>
          <Button type="submit" loading={form.submitting}>
            Make it
          </Button>
        </Group>
      </Stack>
    </form>
  )
}
