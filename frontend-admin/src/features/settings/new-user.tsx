import { TextInput } from '@mantine/core'
import { useState } from 'react'
import { dashboards } from '@/api/client'
import { ActForm } from './act-form'
import { type Fields, type OneTime, USERS, UserFields } from './user-fields'

const NOBODY: Fields = { role: 'OPERATOR', display_name: '', email: '', strategies: [] }

export function NewUser({
  done,
  cancel,
}: {
  done: (made: OneTime) => Promise<void>
  cancel: () => void
}) {
  const [name, setName] = useState('')
  const [fields, setFields] = useState(NOBODY)
  async function make() {
    const strategies = fields.role === 'DEVELOPER' ? fields.strategies : []
    const body = { ...fields, strategies, name: name.trim() }
    const { data } = await dashboards.POST(USERS, { body })
    if (data) await done({ name: data.user.name, password: data.one_time_password })
  }
  return (
    <ActForm action="Make the user" ready={name.trim() !== ''} act={make} cancel={cancel}>
      <TextInput
        label="Name"
        description="To log in with. It stays: the audit log knows people by it."
        value={name}
        onChange={(event) => setName(event.currentTarget.value)}
        autoCapitalize="none"
        spellCheck={false}
        maxLength={64}
        required
      />
      <UserFields fields={fields} set={setFields} />
    </ActForm>
  )
}
