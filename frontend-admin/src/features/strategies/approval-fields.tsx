import { Select, TextInput } from '@mantine/core'
import { OptionalTerms } from './optional-terms'
import type { Draft } from './settings-draft'

/** Whether entries wait for a person, and what it counts as that nobody answers. */
export function ApprovalFields({
  value,
  edit,
  disabled,
}: {
  value: Draft
  edit: (change: Draft) => void
  disabled: boolean
}) {
  const terms = value.approval?.required ? value.approval : null
  const set = (change: Partial<NonNullable<Draft['approval']>>) =>
    terms && edit({ approval: { ...terms, ...change } })
  return (
    <OptionalTerms
      label="Entries wait for a person"
      on={terms !== null}
      turn={(on) =>
        edit({
          approval: on
            ? { required: true, timeout_s: '300', on_timeout: 'REJECT', above_notional: null }
            : null,
        })
      }
      disabled={disabled}
    >
      {terms && (
        <>
          <TextInput
            label="For, seconds"
            inputMode="numeric"
            w={110}
            value={String(terms.timeout_s)}
            disabled={disabled}
            onChange={(event) => set({ timeout_s: event.currentTarget.value })}
          />
          <Select
            label="Then"
            w={130}
            data={[
              { value: 'REJECT', label: 'rejected' },
              { value: 'APPROVE', label: 'approved' },
            ]}
            value={terms.on_timeout}
            allowDeselect={false}
            disabled={disabled}
            onChange={(chosen) => chosen && set({ on_timeout: chosen as 'REJECT' | 'APPROVE' })}
          />
          <TextInput
            label="Only above"
            description="account currency; empty = always"
            inputMode="decimal"
            w={220}
            value={String(terms.above_notional ?? '')}
            disabled={disabled}
            onChange={(event) => set({ above_notional: event.currentTarget.value || null })}
          />
        </>
      )}
    </OptionalTerms>
  )
}
