import { Badge, Button, Text } from '@mantine/core'
import { $dashboards, dashboards } from '@/api/client'
import type { components } from '@/api/dashboard-creator'
import { Panel } from '@/components/panel'
import { SmallTable } from '@/components/small-table'
import { Loaded } from '@/components/states'
import { TimeText } from '@/components/time-text'
import { useAsk } from '@/components/use-ask'
import { useRefresh } from '@/lib/use-refresh'
import { browserOf } from './browser'
import { useStay } from './use-me'

type Session = components['schemas']['SessionView']
const PATH = '/api/v1/me/sessions'

/** Where one is logged in, and a way to end it. */
export function SessionsPart() {
  const query = $dashboards.useQuery('get', PATH, {})
  const refresh = useRefresh()
  const stay = useStay()
  const { ask, question } = useAsk()

  function end(session: Session) {
    ask({
      title: 'End this session?',
      facts: [
        ['Browser', browserOf(session.user_agent)],
        ['Address', session.address],
        ['Last seen', <TimeText key="seen" at={session.last_seen_at} />],
      ],
      action: 'End it',
      act: async () => {
        const path = { session_id: session.session_id }
        await dashboards.DELETE('/api/v1/me/sessions/{session_id}', { params: { path } })
        await refresh(PATH)
      },
    })
  }
  function endOthers(others: number) {
    ask({
      title: 'Log out everywhere else?',
      facts: [['Sessions that end', String(others)]],
      action: 'Log out everywhere else',
      act: async () => {
        const { data } = await dashboards.DELETE(PATH)
        await stay(data?.csrf_token)
        await refresh(PATH)
      },
    })
  }

  return (
    <Loaded query={query} what="Your sessions">
      {(sessions) => (
        <Panel
          title="Where you are logged in"
          actions={
            sessions.length > 1 && (
              <Button variant="default" onClick={() => endOthers(sessions.length - 1)}>
                Log out everywhere else
              </Button>
            )
          }
        >
          <SmallTable
            label="Sessions"
            rows={sessions}
            keyOf={(session) => session.session_id}
            columns={[
              {
                name: 'browser',
                title: 'Browser',
                cell: (session) => (
                  <>
                    {browserOf(session.user_agent)}{' '}
                    {session.current && (
                      <Badge size="sm" variant="light">
                        this one
                      </Badge>
                    )}
                  </>
                ),
              },
              { name: 'address', title: 'Address', cell: (session) => session.address },
              {
                name: 'seen',
                title: 'Last seen',
                cell: (session) => <TimeText at={session.last_seen_at} />,
              },
              {
                name: 'since',
                title: 'Since',
                wide: true,
                cell: (session) => <TimeText at={session.created_at} />,
              },
              {
                name: 'ends',
                title: 'Ends by itself',
                wide: true,
                cell: (session) => <TimeText at={session.expires_at} relative={false} />,
              },
              {
                name: 'end',
                title: <Text span fz="inherit" c="dimmed" />,
                cell: (session) =>
                  !session.current && (
                    <Button
                      variant="default"
                      size="compact-xs"
                      onClick={() => end(session)}
                      aria-label={`End the session from ${session.address}`}
                    >
                      End
                    </Button>
                  ),
              },
            ]}
          />
          {question}
        </Panel>
      )}
    </Loaded>
  )
}
