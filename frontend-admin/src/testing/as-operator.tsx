import type { ReactNode } from 'react'
import { SessionContext } from '@/lib/session'

const OPERATOR = {
  name: 'ana',
  role: 'OPERATOR' as const,
  permissions: ['READ', 'TRADE', 'OWN', 'RESULTS', 'SELF'],
}

/** A page as somebody sees it who may act. */
export function AsOperator({ children }: { children: ReactNode }) {
  return <SessionContext value={OPERATOR}>{children}</SessionContext>
}
