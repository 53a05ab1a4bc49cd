import { Select, TagsInput, TextInput } from '@mantine/core'
import { $portfolio } from '@/api/client'
import type { components } from '@/api/dashboard-creator'

export type Role = components['schemas']['Role']

export interface Fields {
  role: Role
  display_name: string
  email: string
  strategies: string[]
}

/** A password that is shown once, to whom it is given on. */
export interface OneTime {
  name: string
  password: string
}

export const USERS = '/api/v1/users'

const ROLES: { value: Role; label: string }[] = [
  { value: 'ADMIN', label: 'Admin: everything' },
  { value: 'OPERATOR', label: 'Operator: sees everything, trades, configures nothing' },
  { value: 'DEVELOPER', label: 'Developer: own strategies only' },
  { value: 'INVESTOR', label: 'Investor: results only' },
]

/** What an admin says of somebody, new or not. */
export function UserFields({ fields, set }: { fields: Fields; set: (fields: Fields) => void }) {
  return (
    <>
      <Select
        label="Role"
        data={ROLES}
        value={fields.role}
        onChange={(role) => role && set({ ...fields, role: role as Role })}
        allowDeselect={false}
      />
      {fields.role === 'DEVELOPER' && (
        <Strategies
          chosen={fields.strategies}
          choose={(strategies) => set({ ...fields, strategies })}
        />
      )}
      <TextInput
        label="Name to be called by"
        value={fields.display_name}
        onChange={(event) => set({ ...fields, display_name: event.currentTarget.value })}
        maxLength={100}
      />
      <TextInput
        label="E-mail"
        type="email"
        value={fields.email}
        onChange={(event) => set({ ...fields, email: event.currentTarget.value })}
        maxLength={254}
      />
    </>
  )
}

function Strategies({
  chosen,
  choose,
}: {
  chosen: string[]
  choose: (strategies: string[]) => void
}) {
  const known = $portfolio.useQuery('get', '/api/v1/strategies', {})
  return (
    <TagsInput
      label="Strategies"
      description="Theirs: they see the signals, orders and results of these and no others."
      size="xs"
      data={known.data?.strategies.map((each) => each.strategy_id) ?? []}
      value={chosen}
      onChange={choose}
    />
  )
}
