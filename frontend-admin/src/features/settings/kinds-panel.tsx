import {
  Button,
  Checkbox,
  Group,
  SegmentedControl,
  Stack,
  Switch,
  Table,
  Text,
  TextInput,
} from '@mantine/core'
import { useState } from 'react'
import { $dashboards, dashboards } from '@/api/client'
import type { components } from '@/api/dashboard-creator'
import { Panel } from '@/components/panel'
import { Loaded } from '@/components/states'
import { words } from '@/lib/format'
import { useRefresh } from '@/lib/use-refresh'
import { ActForm } from './act-form'

type View = components['schemas']['SettingsView']
type Loudness = components['schemas']['Loudness']
type Quiet = components['schemas']['QuietHours']
const PATH = '/api/v1/me/notification-settings'
const LOUDNESS = [
  { value: 'ON', label: 'On' },
  { value: 'SILENT', label: 'Silent' },
  { value: 'OFF', label: 'Off' },
]
const DAYS = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun']

export function KindsPanel() {
  const query = $dashboards.useQuery('get', PATH, {}, { refetchInterval: false })
  return (
    <Loaded query={query} what="Your notification settings" rows={10}>
      {(view) => <Editor key={JSON.stringify(view)} view={view} />}
    </Loaded>
  )
}

function Editor({ view }: { view: View }) {
  const [kinds, setKinds] = useState(() =>
    Object.fromEntries(view.kinds.map((each) => [each.kind, each.loudness])),
  )
  const [quiet, setQuiet] = useState<Quiet | null>(view.quiet_hours ?? null)
  const refresh = useRefresh()

  async function save() {
    await dashboards.PUT(PATH, { body: { kinds, quiet_hours: quiet } })
    await refresh(PATH)
  }

  return (
    <Stack>
      <Panel title="What I am told of">
        <Table maw={640} verticalSpacing={4}>
          <Table.Tbody>
            {view.kinds.map((each) => (
              <Table.Tr key={each.kind}>
                <Table.Th fw={400} id={`kind-${each.kind}`}>
                  {words(each.kind)}
                  {each.critical && (
                    <Text span fz="xs" c="dimmed">
                      {' '}
                      breaks through quiet hours
                    </Text>
                  )}
                </Table.Th>
                <Table.Td ta="right">
                  <SegmentedControl
                    size="xs"
                    data={LOUDNESS}
                    value={kinds[each.kind] ?? each.loudness}
                    onChange={(value) => setKinds({ ...kinds, [each.kind]: value as Loudness })}
                    aria-labelledby={`kind-${each.kind}`}
                  />
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Panel>
      <Panel title="Quiet hours">
        <QuietHours quiet={quiet} set={setQuiet} />
      </Panel>
      <ActForm action="Save" act={save} done="Saved.">
        <Group gap="xs">
          <Button
            variant="default"
            onClick={() =>
              setKinds(Object.fromEntries(view.kinds.map((each) => [each.kind, each.default])))
            }
          >
            As my role has it
          </Button>
        </Group>
      </ActForm>
    </Stack>
  )
}

function QuietHours({ quiet, set }: { quiet: Quiet | null; set: (quiet: Quiet | null) => void }) {
  function start() {
    const timezone = Intl.DateTimeFormat().resolvedOptions().timeZone
    set({ starts: '22:00', ends: '07:00', timezone, days: [1, 2, 3, 4, 5, 6, 7] })
  }
  return (
    <Stack gap="sm" maw={480}>
      <Switch
        label="Nothing makes a noise at certain hours"
        checked={quiet !== null}
        onChange={(event) => (event.currentTarget.checked ? start() : set(null))}
      />
      {quiet && (
        <>
          <Group gap="sm">
            <TextInput
              type="time"
              label="From"
              value={quiet.starts}
              onChange={(event) => set({ ...quiet, starts: event.currentTarget.value })}
              required
            />
            <TextInput
              type="time"
              label="Until"
              value={quiet.ends}
              onChange={(event) => set({ ...quiet, ends: event.currentTarget.value })}
              required
            />
            <TextInput
              label="Time zone"
              value={quiet.timezone}
              onChange={(event) => set({ ...quiet, timezone: event.currentTarget.value })}
              required
            />
          </Group>
          <Checkbox.Group
            label="On nights that begin on"
            value={(quiet.days ?? []).map(String)}
            onChange={(days) => set({ ...quiet, days: days.map(Number) })}
          >
            <Group gap="sm" mt={4}>
              {DAYS.map((day, number) => (
                <Checkbox key={day} size="xs" value={String(number + 1)} label={day} />
              ))}
            </Group>
          </Checkbox.Group>
        </>
      )}
    </Stack>
  )
}
