import { Button, Group, Paper, Stack, Title } from '@mantine/core'
import { useState } from 'react'
import { dashboards } from '@/api/client'
import type { components } from '@/api/dashboard-creator'
import type { Confirmation } from '@/components/confirm'
import { useAsk } from '@/components/use-ask'
import { words } from '@/lib/format'
import { useRefresh } from '@/lib/use-refresh'
import { ActForm } from './act-form'
import { type OneTime, USERS, UserFields } from './user-fields'

type User = components['schemas']['UserView']

/** What an admin can do about somebody. */
export function EditUser({
  user,
  close,
  give,
}: {
  user: User
  close: () => void
  give: (given: OneTime) => void
}) {
  const [fields, setFields] = useState({
    role: user.role,
    display_name: user.display_name,
    email: user.email,
    strategies: user.strategies,
  })
  const refresh = useRefresh()
  const { ask, question } = useAsk()
  const path = { name: user.name }
  const facts: Confirmation['facts'] = [
    ['User', user.name],
    ['Role', words(user.role)],
  ]

  async function save() {
    const body = { ...fields, version: user.version }
    await dashboards.PUT('/api/v1/users/{name}', { params: { path }, body })
    await refresh(USERS)
  }
  async function reset(removeTotp: boolean) {
    const { data } = await dashboards.POST('/api/v1/users/{name}/reset-password', {
      params: { path },
      body: { remove_totp: removeTotp },
    })
    if (data) give({ name: data.name, password: data.one_time_password })
    await refresh(USERS)
  }
  async function enable(status: 'ACTIVE' | 'DISABLED') {
    const body = { version: user.version, status }
    await dashboards.PUT('/api/v1/users/{name}', { params: { path }, body })
    await refresh(USERS)
  }
  async function endSessions() {
    await dashboards.DELETE('/api/v1/users/{name}/sessions', { params: { path } })
    await refresh(USERS)
  }
  const active = user.status === 'ACTIVE'

  return (
    <Paper withBorder p="sm" component="section" aria-label={`Change ${user.name}`}>
      <Title order={3} mb="xs">
        {user.name}
      </Title>
      <Stack>
        <ActForm action="Save" act={save} done="Saved." cancel={close}>
          <UserFields fields={fields} set={setFields} />
        </ActForm>
        <Group gap="xs">
          <Act
            words="New password"
            act={() =>
              ask({
                title: 'Give a new password?',
                facts,
                action: 'Make it',
                act: () => reset(false),
              })
            }
          />
          {user.totp_enabled && (
            <Act
              words="New password, no second factor"
              act={() =>
                ask({
                  title: 'Give a new password, and take the second factor away?',
                  facts: [...facts, ['For', 'somebody whose telephone is lost, and who is known']],
                  action: 'Do it',
                  danger: true,
                  act: () => reset(true),
                })
              }
            />
          )}
          <Act
            words="Log out everywhere"
            act={() =>
              ask({ title: 'Log them out everywhere?', facts, action: 'Log out', act: endSessions })
            }
          />
          <Act
            words={active ? 'Disable' : 'Enable'}
            act={() =>
              ask({
                title: active ? 'Disable this user?' : 'Enable this user?',
                facts: active
                  ? [
                      ...facts,
                      ['Then', 'their sessions and keys open nothing; what they did stays'],
                    ]
                  : facts,
                action: active ? 'Disable' : 'Enable',
                danger: active,
                act: () => enable(active ? 'DISABLED' : 'ACTIVE'),
              })
            }
          />
        </Group>
      </Stack>
      {question}
    </Paper>
  )
}

function Act({ words: said, act }: { words: string; act: () => void }) {
  return (
    <Button variant="default" onClick={act}>
      {said}
    </Button>
  )
}
