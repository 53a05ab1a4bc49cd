import { Anchor, Button, Group, Switch, Text } from '@mantine/core'
import { Link } from 'react-router'
import { dashboards } from '@/api/client'
import type { components } from '@/api/dashboard-creator'
import { DataTable } from '@/components/data-table'
import { Panel } from '@/components/panel'
import { Empty, Loaded } from '@/components/states'
import { TimeText } from '@/components/time-text'
import { words } from '@/lib/format'
import { usePages } from '@/lib/use-pages'
import { useRefresh } from '@/lib/use-refresh'
import { useUrlState } from '@/lib/use-url-state'

type Notification = components['schemas']['Notification']
const PATH = '/api/v1/me/notifications'
const EMPTY = { rows: [], next: null }

/** Everything one was ever told. */
export function HistoryPanel() {
  const [unread, setUnread] = useUrlState('unread')
  const refresh = useRefresh()
  const { head, rows, more } = usePages<Notification>({
    path: PATH,
    filters: { unread },
    keyOf: (row) => row.notification_id,
    load: async (before, signal) => {
      const query = { limit: 100, unread: unread === 'yes', before }
      const { data } = await dashboards.GET(PATH, { params: { query }, signal })
      return data ?? EMPTY
    },
  })
  async function read() {
    await dashboards.POST('/api/v1/me/notifications/read', { body: { all: true } })
    await refresh(PATH)
  }
  return (
    <Panel
      title="What I was told"
      actions={
        <Group gap="md">
          <Switch
            label="Unread only"
            checked={unread === 'yes'}
            onChange={(event) => setUnread(event.currentTarget.checked ? 'yes' : null)}
          />
          <Button variant="default" onClick={() => void read()}>
            All read
          </Button>
        </Group>
      }
    >
      <Loaded query={head} what="Your notifications">
        {() =>
          rows.length === 0 ? (
            <Empty>
              {unread === 'yes' ? 'Everything is read.' : 'Nothing was told to you yet.'}
            </Empty>
          ) : (
            <DataTable
              label="Notifications"
              rows={rows}
              keyOf={(row) => row.notification_id}
              more={more}
              columns={[
                { name: 'at', title: 'Time', width: 120, cell: (row) => <TimeText at={row.at} /> },
                {
                  name: 'kind',
                  title: 'Kind',
                  width: 170,
                  wide: true,
                  cell: (row) => words(row.kind),
                },
                { name: 'title', title: 'What', cell: (row) => <What told={row} /> },
              ]}
            />
          )
        }
      </Loaded>
    </Panel>
  )
}

function What({ told }: { told: Notification }) {
  const text = (
    <Text span fz="inherit" fw={told.unread ? 600 : 400}>
      {told.title}
    </Text>
  )
  return told.link ? (
    <Anchor component={Link} to={told.link} fz="inherit">
      {text}
    </Anchor>
  ) : (
    text
  )
}
