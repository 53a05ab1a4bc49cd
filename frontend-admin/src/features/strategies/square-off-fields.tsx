import { Chip, Group, TextInput } from '@mantine/core'
import { OptionalTerms } from './optional-terms'
import type { Draft } from './settings-draft'

const WEEK = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun']

/** Whether everything is closed at a time of the day, in an exchange's own zone. */
export function SquareOffFields({
  value,
  edit,
  disabled,
}: {
  value: Draft
  edit: (change: Draft) => void
  disabled: boolean
}) {
  const at = value.square_off ?? null
  return (
    <OptionalTerms
      label="Closed every day at a time"
      on={at !== null}
      turn={(on) =>
        edit({
          square_off: on
            ? { timezone: 'America/New_York', at: '15:50', days: [1, 2, 3, 4, 5] }
            : null,
        })
      }
      disabled={disabled}
    >
      {at && (
        <>
          <TextInput
            label="Time"
            type="time"
            value={at.at}
            disabled={disabled}
            onChange={(event) => edit({ square_off: { ...at, at: event.currentTarget.value } })}
          />
          <TextInput
            label="Zone"
            value={at.timezone}
            disabled={disabled}
            onChange={(event) =>
              edit({ square_off: { ...at, timezone: event.currentTarget.value } })
            }
          />
          <Chip.Group
            multiple
            value={at.days.map(String)}
            onChange={(days) =>
              edit({ square_off: { ...at, days: days.map(Number).sort((a, b) => a - b) } })
            }
          >
            <Group gap={4}>
              {WEEK.map((name, place) => (
                <Chip key={name} value={String(place + 1)} size="xs" disabled={disabled}>
                  {name}
                </Chip>
              ))}
            </Group>
          </Chip.Group>
        </>
      )}
    </OptionalTerms>
  )
}
