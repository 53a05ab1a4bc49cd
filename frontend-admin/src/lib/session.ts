import { createContext, useContext } from 'react'

/** Who is logged in; the shell provides it, every page may ask it. */
export interface Session {
  name: string
  role: 'ADMIN' | 'OPERATOR' | 'DEVELOPER' | 'INVESTOR'
  permissions: string[]
}

export const SessionContext = createContext<Session | null>(null)

export function useSession(): Session {
  const session = useContext(SessionContext)
  if (!session) throw new Error('nobody is logged in here')
  return session
}

export function useMay(permission: string): boolean {
  return useContext(SessionContext)?.permissions.includes(permission) ?? false
}

const MARK = 'signed-in'

/** Whether this browser has been let in and not left: without it, nobody need be asked. */
export function wasLetIn(): boolean {
  return localStorage.getItem(MARK) !== null
}

export function rememberLetIn(letIn: boolean): void {
  if (letIn) localStorage.setItem(MARK, 'yes')
  else localStorage.removeItem(MARK)
}
