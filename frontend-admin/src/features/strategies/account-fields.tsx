import { Button, Group, Select, Stack, Text, TextInput } from '@mantine/core'
import { $accounts } from '@/api/client'
import { PercentInput } from '@/components/percent-input'
import type { Draft } from './settings-draft'

/** The accounts that it trades in, the weight of each, and a multiple of its size there. */
export function AccountFields({
  value,
  edit,
  disabled,
}: {
  value: Draft
  edit: (change: Draft) => void
  disabled: boolean
}) {
  const known = $accounts.useQuery('get', '/api/v1/accounts')
  const rows = value.accounts ?? []
  const taken = new Set(rows.map((row) => row.account_id))
  const free = (known.data ?? []).filter((account) => !taken.has(account.account_id))
  function change(place: number, part: Partial<(typeof rows)[number]>) {
    edit({ accounts: rows.map((row, at) => (at === place ? { ...row, ...part } : row)) })
  }
  return (
    <Stack gap={6} role="group" aria-label="Accounts of this strategy">
      <Text fz="sm" fw={500}>
        Accounts
      </Text>
      {rows.length === 0 && (
        <Text fz="sm" c="dimmed">
          None: its signals are decided nowhere.
        </Text>
      )}
      {rows.map((row, place) => (
        <Group key={row.account_id} gap="xs" align="end" wrap="wrap">
          <TextInput label="Account" value={row.account_id} readOnly w={150} disabled={disabled} />
          <PercentInput
            label="Weight"
            ratio={String(row.weight_ratio)}
            change={(ratio) => change(place, { weight_ratio: ratio })}
            disabled={disabled}
            width={110}
          />
          <TextInput
            label="Times"
            inputMode="decimal"
            value={String(row.multiplier_ratio)}
            onChange={(event) => change(place, { multiplier_ratio: event.currentTarget.value })}
            disabled={disabled}
            w={80}
          />
          <Button
            variant="subtle"
            color="gray"
            disabled={disabled}
            aria-label={`Take away ${row.account_id}`}
            onClick={() => edit({ accounts: rows.filter((_, at) => at !== place) })}
          >
            Take away
          </Button>
        </Group>
      ))}
      {!disabled && free.length > 0 && (
        <Select
          aria-label="Add an account"
          placeholder="Add an account"
          w={240}
          value={null}
          data={free.map((account) => ({
            value: account.account_id,
            label: `${account.account_id} · ${account.broker} · ${account.account_type}`,
          }))}
          onChange={(chosen) =>
            chosen &&
            edit({
              accounts: [...rows, { account_id: chosen, weight_ratio: '1', multiplier_ratio: '1' }],
            })
          }
        />
      )}
    </Stack>
  )
}
