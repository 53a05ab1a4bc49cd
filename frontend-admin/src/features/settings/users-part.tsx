import { Alert, Badge, Button, Group, Stack, Text } from '@mantine/core'
import { useState } from 'react'
import { $dashboards } from '@/api/client'
import type { components } from '@/api/dashboard-creator'
import { CopyBlock } from '@/components/copy-block'
import { Panel } from '@/components/panel'
import { SmallTable } from '@/components/small-table'
import { Loaded } from '@/components/states'
import { TimeText } from '@/components/time-text'
import { words } from '@/lib/format'
import { useRefresh } from '@/lib/use-refresh'
import { EditUser } from './edit-user'
import { NewUser } from './new-user'
import { type OneTime, USERS } from './user-fields'

type User = components['schemas']['UserView']

/** Who may come in, and as what; for admins. */
export function UsersPart() {
  const query = $dashboards.useQuery('get', USERS, {})
  const [making, setMaking] = useState(false)
  const [edited, setEdited] = useState<string | null>(null)
  const [given, setGiven] = useState<OneTime | null>(null)
  const refresh = useRefresh()
  return (
    <Stack>
      {given && <Given given={given} close={() => setGiven(null)} />}
      {making && (
        <Panel title="New user">
          <NewUser
            cancel={() => setMaking(false)}
            done={async (made) => {
              setMaking(false)
              setGiven(made)
              await refresh(USERS)
            }}
          />
        </Panel>
      )}
      <Panel
        title="Users"
        actions={!making && <Button onClick={() => setMaking(true)}>New user</Button>}
      >
        <Loaded query={query} what="The users">
          {(users) => {
            const chosen = users.find((user) => user.name === edited)
            return (
              <Stack>
                <List users={users} edit={setEdited} />
                {chosen && (
                  <EditUser
                    key={`${chosen.name} ${chosen.version}`}
                    user={chosen}
                    close={() => setEdited(null)}
                    give={setGiven}
                  />
                )}
              </Stack>
            )
          }}
        </Loaded>
      </Panel>
    </Stack>
  )
}

function List({ users, edit }: { users: User[]; edit: (name: string) => void }) {
  return (
    <SmallTable
      label="Users"
      rows={users}
      keyOf={(user) => user.name}
      columns={[
        {
          name: 'name',
          title: 'Name',
          cell: (user) => (
            <Group gap={6}>
              {user.name}
              {user.display_name !== user.name && (
                <Text span fz="xs" c="dimmed">
                  {user.display_name}
                </Text>
              )}
            </Group>
          ),
        },
        { name: 'role', title: 'Role', cell: (user) => words(user.role) },
        {
          name: 'status',
          title: 'State',
          cell: (user) => (
            <Badge size="sm" variant="light" color={user.status === 'ACTIVE' ? 'green' : 'gray'}>
              {user.status.toLowerCase()}
            </Badge>
          ),
        },
        {
          name: 'factor',
          title: 'Second factor',
          wide: true,
          cell: (user) => (user.totp_enabled ? 'on' : 'off'),
        },
        {
          name: 'strategies',
          title: 'Strategies',
          wide: true,
          cell: (user) => (user.role === 'DEVELOPER' ? user.strategies.join(', ') || 'none' : '–'),
        },
        {
          name: 'seen',
          title: 'Last log-in',
          wide: true,
          cell: (user) => (user.can_log_in ? <TimeText at={user.last_login_at} /> : 'keys only'),
        },
        {
          name: 'edit',
          title: '',
          cell: (user) => (
            <Button
              variant="default"
              size="compact-xs"
              onClick={() => edit(user.name)}
              aria-label={`Change ${user.name}`}
            >
              Change
            </Button>
          ),
        },
      ]}
    />
  )
}

function Given({ given, close }: { given: OneTime; close: () => void }) {
  return (
    <Alert color="green" variant="light" title="This is shown once." role="alert">
      <Stack gap="sm" align="start">
        <Text fz="sm">
          {given.name} logs in with this password once, and then chooses an own one.
        </Text>
        <CopyBlock label="Password" value={given.password} />
        <Button variant="default" onClick={close}>
          I have given it to them
        </Button>
      </Stack>
    </Alert>
  )
}
