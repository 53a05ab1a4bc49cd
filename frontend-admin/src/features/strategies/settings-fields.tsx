import {
  MultiSelect,
  NumberInput,
  Select,
  SimpleGrid,
  Stack,
  Switch,
  TagsInput,
  Textarea,
  TextInput,
} from '@mantine/core'
import type { ReactNode } from 'react'
import { Panel } from '@/components/panel'
import { PercentInput } from '@/components/percent-input'
import { AccountFields } from './account-fields'
import { ApprovalFields } from './approval-fields'
import { type Draft, FIELD_NAMES, SIZINGS } from './settings-draft'
import { SquareOffFields } from './square-off-fields'
import type { Sizing } from './types'

interface Fields {
  value: Draft
  edit: (change: Draft) => void
  disabled: boolean
}

const TYPES = ['STOCK', 'ETF', 'FOREX', 'FUTURE', 'OPTION', 'CRYPTO'] as const
const CLASSES = [
  'EQUITIES',
  'OPTIONS',
  'FUTURES',
  'FOREX',
  'CRYPTO',
  'COMMODITIES',
  'MIXED',
  'UNKNOWN',
]

/** How it is traded: whatever decides about money. */
export function TradingFields({ value, edit, disabled }: Fields) {
  const choice = (field: 'status' | 'equity_base' | 'split' | 'group_policy', data: string[]) => (
    <Select
      label={FIELD_NAMES[field]}
      data={data}
      value={value[field]}
      allowDeselect={false}
      disabled={disabled}
      onChange={(chosen) => chosen && edit({ [field]: chosen } as Draft)}
    />
  )
  return (
    <Panel title="How it is traded">
      <Stack gap="sm">
        <Grid>
          {choice('status', ['ACTIVE', 'INACTIVE'])}
          {choice('equity_base', ['ACCOUNT', 'FUND'])}
          {choice('split', ['BY_WEIGHT', 'BY_FREE_MARGIN'])}
          {choice('group_policy', ['HOLD', 'UNWIND'])}
          <NumberInput
            label={FIELD_NAMES.priority}
            description="higher goes first where margin is short"
            allowDecimal={false}
            value={value.priority}
            disabled={disabled}
            onChange={(next) => typeof next === 'number' && edit({ priority: next })}
          />
          <TextInput
            label={FIELD_NAMES.max_signal_age_seconds}
            description="seconds; empty = the system's default"
            inputMode="decimal"
            value={String(value.max_signal_age_seconds ?? '')}
            disabled={disabled}
            onChange={(event) =>
              edit({ max_signal_age_seconds: event.currentTarget.value || null })
            }
          />
          <PercentInput
            label={FIELD_NAMES.min_size_ratio}
            description="% of what was asked; less is denied"
            ratio={String(value.min_size_ratio ?? '')}
            disabled={disabled}
            change={(ratio) => edit({ min_size_ratio: ratio })}
          />
          <MultiSelect
            size="xs"
            label={FIELD_NAMES.instrument_types}
            description="none = every type"
            data={TYPES}
            value={value.instrument_types ?? []}
            disabled={disabled}
            onChange={(chosen) => edit({ instrument_types: chosen as Draft['instrument_types'] })}
          />
        </Grid>
        <SizingFields value={value} edit={edit} disabled={disabled} />
        <AccountFields value={value} edit={edit} disabled={disabled} />
        <ApprovalFields value={value} edit={edit} disabled={disabled} />
        <SquareOffFields value={value} edit={edit} disabled={disabled} />
      </Stack>
    </Panel>
  )
}

/** For people: nothing is refused by these. */
export function PeopleFields({ value, edit, disabled }: Fields) {
  const text = (field: 'name' | 'owner' | 'developer_contact') => (
    <TextInput
      label={FIELD_NAMES[field]}
      value={value[field] ?? ''}
      disabled={disabled}
      onChange={(event) => edit({ [field]: event.currentTarget.value })}
    />
  )
  return (
    <Panel title="For people">
      <Stack gap="sm">
        <Grid>
          {text('name')}
          {text('owner')}
          {text('developer_contact')}
          <Select
            label={FIELD_NAMES.asset_class}
            data={CLASSES}
            value={value.asset_class}
            allowDeselect={false}
            disabled={disabled}
            onChange={(chosen) => edit({ asset_class: chosen as Draft['asset_class'] })}
          />
          <TagsInput
            size="xs"
            label={FIELD_NAMES.instruments}
            value={value.instruments ?? []}
            disabled={disabled}
            onChange={(instruments) => edit({ instruments })}
          />
          <Switch
            label={FIELD_NAMES.include_in_optimization}
            description="of studies that name no strategies"
            checked={value.include_in_optimization ?? false}
            disabled={disabled}
            onChange={(event) => edit({ include_in_optimization: event.currentTarget.checked })}
          />
        </Grid>
        {(['description', 'notes'] as const).map((field) => (
          <Textarea
            key={field}
            label={FIELD_NAMES[field]}
            autosize
            minRows={2}
            value={value[field] ?? ''}
            disabled={disabled}
            onChange={(event) => edit({ [field]: event.currentTarget.value })}
          />
        ))}
      </Stack>
    </Panel>
  )
}

function SizingFields({ value, edit, disabled }: Fields) {
  const sizing = value.sizing ?? { policy: 'RATIO' as const }
  const set = (change: object) => edit({ sizing: { ...sizing, ...change } as Sizing })
  const ratio = (name: 'ratio' | 'target_ratio', label: string, now: number | string) => (
    <PercentInput
      label={label}
      ratio={String(now)}
      disabled={disabled}
      change={(changed) => set({ [name]: changed })}
    />
  )
  const number = (name: 'quantity' | 'max_multiple', label: string, now: number | string) => (
    <TextInput
      label={label}
      inputMode="decimal"
      value={String(now)}
      disabled={disabled}
      onChange={(event) => set({ [name]: event.currentTarget.value })}
    />
  )
  return (
    <Grid>
      <Select
        label={FIELD_NAMES.sizing}
        data={Object.entries(SIZINGS).map(([policy, { title }]) => ({
          value: policy,
          label: title,
        }))}
        value={sizing.policy}
        allowDeselect={false}
        disabled={disabled}
        onChange={(policy) => policy && edit({ sizing: SIZINGS[policy as Sizing['policy']].start })}
      />
      {sizing.policy === 'PERCENT_OF_ALLOCATED' && ratio('ratio', '% of allocated', sizing.ratio)}
      {sizing.policy === 'RISK_PER_TRADE' && ratio('ratio', 'Risk, % of allocated', sizing.ratio)}
      {sizing.policy === 'FIXED' && number('quantity', 'Quantity', sizing.quantity)}
      {sizing.policy === 'VOLATILITY_TARGET' && (
        <>
          {ratio('target_ratio', 'Target, % a year', sizing.target_ratio)}
          {number('max_multiple', 'At most times', sizing.max_multiple)}
        </>
      )}
    </Grid>
  )
}

function Grid({ children }: { children: ReactNode }) {
  return <SimpleGrid cols={{ base: 1, xs: 2, md: 3, lg: 4 }}>{children}</SimpleGrid>
}
