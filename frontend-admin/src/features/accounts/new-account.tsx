import { Alert, Button, Group, Modal, Select, Stack, Textarea, TextInput } from '@mantine/core'
import { useForm } from '@mantine/form'
import { useDisclosure } from '@mantine/hooks'
import { useState } from 'react'
import { useNavigate } from 'react-router'
import type { components } from '@/api/account-data'
import { accounts } from '@/api/client'
import { sentenceOf } from '@/api/problem'
import { useRefresh } from '@/lib/use-refresh'

type Body = components['schemas']['NewAccount']
const ID = /^\S+$/

/** A button, and behind it what an account needs; secrets are sealed on its page afterwards. */
export function NewAccount() {
  const [opened, { open, close }] = useDisclosure(false)
  return (
    <>
      <Button onClick={open}>Add an account</Button>
      <Modal opened={opened} onClose={close} title="Add an account" centered>
        {opened && <Form close={close} />}
      </Modal>
    </>
  )
}

function Form({ close }: { close: () => void }) {
  const navigate = useNavigate()
  const refresh = useRefresh()
  const [failure, setFailure] = useState<unknown>(null)
  const form = useForm({
    initialValues: {
      account_id: '',
      broker: 'MOCK',
      account_type: 'PAPER' as Body['account_type'],
      currency: 'USD',
      connection: '',
      reason: '',
    },
    validate: {
      account_id: (value) => (ID.test(value) ? null : 'an id without spaces'),
      reason: (value) => (value.trim() === '' ? 'say why: it goes to the audit log' : null),
    },
  })
  async function add({ connection, ...values }: typeof form.values) {
    setFailure(null)
    const pairs = connection
      .split('\n')
      .map((line) => line.split('='))
      .filter(([name]) => name?.trim())
      .map(([name = '', ...value]) => [name.trim(), value.join('=').trim()])
    try {
      const body: Body = { ...values, connection: Object.fromEntries(pairs) }
      await accounts.POST('/api/v1/accounts', { body })
      await refresh('/api/v1/account', '/api/v1/hierarchy')
      close()
      navigate(`/accounts/${encodeURIComponent(values.account_id)}?tab=setup`)
    } catch (error) {
      setFailure(error)
    }
  }
  return (
    <form onSubmit={form.onSubmit(add)}>
      <Stack gap="sm">
        <TextInput label="Id" required data-autofocus {...form.getInputProps('account_id')} />
        <Group grow>
          <Select
            label="Broker"
            data={['MOCK', 'IBKR', 'ZERODHA']}
            allowDeselect={false}
            {...form.getInputProps('broker')}
          />
          <Select
            label="Money"
            data={['PAPER', 'LIVE']}
            allowDeselect={false}
            {...form.getInputProps('account_type')}
          />
          <TextInput label="Currency" {...form.getInputProps('currency')} />
        </Group>
        <Textarea
          label="Connection"
          description="a line each: port=4002"
          autosize
          minRows={2}
          {...form.getInputProps('connection')}
        />
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
            Add it
          </Button>
        </Group>
      </Stack>
    </form>
  )
}
