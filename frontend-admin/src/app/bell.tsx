import {
  ActionIcon,
  Anchor,
  Button,
  Group,
  Indicator,
  Popover,
  ScrollArea,
  Stack,
  Text,
} from '@mantine/core'
import { IconBell } from '@tabler/icons-react'
import { useState } from 'react'
import { Link } from 'react-router'
import { $dashboards, dashboards } from '@/api/client'
import type { components } from '@/api/dashboard-creator'
import { Empty, Loaded } from '@/components/states'
import { TimeText } from '@/components/time-text'
import { useRefresh } from '@/lib/use-refresh'

type Notification = components['schemas']['Notification']
const PATH = '/api/v1/me/notifications'

/** What one was told lately, and how much of it is unread. */
export function Bell() {
  const [opened, setOpened] = useState(false)
  const query = $dashboards.useQuery('get', PATH, { params: { query: { limit: 15 } } })
  const refresh = useRefresh()
  const unread = query.data?.unread ?? 0

  async function read(ids: string[] | null) {
    await dashboards.POST('/api/v1/me/notifications/read', {
      body: ids === null ? { all: true } : { ids, all: false },
    })
    await refresh(PATH)
  }

  return (
    <Popover opened={opened} onChange={setOpened} position="bottom-end" width={340} trapFocus>
      <Indicator
        disabled={unread === 0}
        label={unread > 99 ? '99+' : unread}
        size={15}
        color="red.8"
        offset={6}
      >
        <Popover.Target>
          <ActionIcon
            variant="subtle"
            color="gray"
            size="lg"
            onClick={() => setOpened((before) => !before)}
            aria-label={`Notifications, ${unread} unread`}
          >
            <IconBell size={19} />
          </ActionIcon>
        </Popover.Target>
      </Indicator>
      <Popover.Dropdown p="xs" aria-label="Notifications">
        <Group justify="space-between" mb="xs">
          <Text fw={600}>Notifications</Text>
          {unread > 0 && (
            <Button variant="subtle" size="compact-xs" onClick={() => void read(null)}>
              All read
            </Button>
          )}
        </Group>
        <ScrollArea.Autosize mah={380}>
          <Loaded query={query} what="Notifications" rows={3}>
            {({ rows }) =>
              rows.length === 0 ? (
                <Empty>Nothing has been told to you yet.</Empty>
              ) : (
                <Stack gap={2}>
                  {rows.map((each) => (
                    <Told
                      key={each.notification_id}
                      told={each}
                      open={() => {
                        setOpened(false)
                        if (each.unread) void read([each.notification_id])
                      }}
                    />
                  ))}
                </Stack>
              )
            }
          </Loaded>
        </ScrollArea.Autosize>
        <Anchor
          component={Link}
          to="/settings/notifications?tab=history"
          fz="xs"
          onClick={() => setOpened(false)}
        >
          All of them, and what you are told of
        </Anchor>
      </Popover.Dropdown>
    </Popover>
  )
}

function Told({ told, open }: { told: Notification; open: () => void }) {
  const text = (
    <>
      <Text fz="sm" fw={told.unread ? 600 : 400}>
        {told.unread && (
          <Text span c={told.critical ? 'red' : undefined} aria-label="unread">
            ●{' '}
          </Text>
        )}
        {told.title}
      </Text>
      <Text fz="xs" c="dimmed">
        <TimeText at={told.at} />
      </Text>
    </>
  )
  if (!told.link) return <div>{text}</div>
  return (
    <Anchor component={Link} to={told.link} c="inherit" underline="never" onClick={open}>
      {text}
    </Anchor>
  )
}
