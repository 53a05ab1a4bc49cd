import { Button } from '@mantine/core'
import { notifications } from '@mantine/notifications'
import { useNavigate } from 'react-router'
import { gateway } from '@/api/client'
import type { components } from '@/api/dashboard-creator'
import { useAsk } from '@/components/use-ask'
import { legWords } from '@/lib/instrument'
import { useMay } from '@/lib/session'

type Signal = components['schemas']['SignalPage']

/** What can be done with a signal: send it again, and take all evidence of it along. */
export function SignalActions({ signal }: { signal: Signal }) {
  const { ask, question } = useAsk()
  const mayTrade = useMay('TRADE')
  const navigate = useNavigate()

  async function replay() {
    const { data } = await gateway.POST('/api/v1/signals/{signal_id}/replay', {
      params: { path: { signal_id: signal.signal_id } },
      body: { fresh: true },
    })
    if (!data) return
    notifications.show({ message: `It goes again as ${data.signal_id}` })
    navigate(`/signals/${data.signal_id}`)
  }

  return (
    <>
      {mayTrade && (
        <Button
          variant="default"
          onClick={() =>
            ask({
              title: 'Send this signal again',
              facts: [
                ['Strategy', signal.strategy_id],
                ['Legs', signal.legs.map(legWords).join(', ') || 'cannot be read'],
                ['Age', 'counted from now'],
                ['Refused', 'where it has traded already'],
              ],
              action: 'Replay',
              act: replay,
            })
          }
        >
          Replay
        </Button>
      )}
      <Button
        variant="default"
        component="a"
        href={`/api/dashboard_creator/v1/signals/${signal.signal_id}/evidence`}
        download={`evidence-${signal.signal_id}.json`}
      >
        Evidence bundle
      </Button>
      {question}
    </>
  )
}
