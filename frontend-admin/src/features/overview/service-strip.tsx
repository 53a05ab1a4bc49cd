import { Anchor, Group, Text } from '@mantine/core'
import { Link } from 'react-router'
import type { components } from '@/api/dashboard-creator'
import { Panel } from '@/components/panel'

type State = components['schemas']['ServiceState']

const MARKS: Record<string, [string, string]> = {
  UP: ['✓', 'up'],
  READY: ['✓', 'up'],
  NOT_READY: ['!', 'down'],
  DOWN: ['✗', 'down'],
}

const GOOD = new Set(['UP', 'READY'])

/** Every process, and whether it does its work. */
export function ServiceStrip({ services }: { services: readonly State[] }) {
  return (
    <Panel title="Services">
      <Group gap="lg">
        {services.length === 0 && (
          <Text fz="sm" c="dimmed">
            No service has said yet how it is; scripts/status.py asks them all.
          </Text>
        )}
        {services.map((service) => {
          const [mark, tone] = MARKS[service.state] ?? ['?', 'stale']
          return (
            <Text key={service.name} fz="sm" title={service.sentence || service.state}>
              <span className={tone} aria-hidden="true">
                {mark}
              </span>{' '}
              <Anchor component={Link} fz="inherit" to="/system" c="inherit">
                {service.name}
              </Anchor>
              {!GOOD.has(service.state) && (
                <Text span fz="xs" className="down">
                  {' '}
                  {service.state.toLowerCase().replace('_', ' ')}
                </Text>
              )}
            </Text>
          )
        })}
      </Group>
    </Panel>
  )
}
