import type { components } from '@/api/account-data'

type Schemas = components['schemas']
export type Account = Schemas['AccountView']
export type AccountState = Schemas['AccountState']
export type FundNode = Schemas['FundNode']
export type Flow = Schemas['FlowView']
export type Jump = Schemas['JumpView']
