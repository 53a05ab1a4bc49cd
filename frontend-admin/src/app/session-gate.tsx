import { Center, Loader, Stack } from '@mantine/core'
import { type ReactNode, useMemo } from 'react'
import { Navigate, useLocation } from 'react-router'
import { $dashboards, setCsrfToken } from '@/api/client'
import { RequestFailed } from '@/api/problem'
import { Failed } from '@/components/states'
import { rememberLetIn, SessionContext, wasLetIn } from '@/lib/session'

/** Lets in whoever is logged in; everybody else goes to the log-in, and comes back here after. */
export function SessionGate({ children }: { children: ReactNode }) {
  const { pathname, search } = useLocation()
  const me = $dashboards.useQuery(
    'get',
    '/api/v1/me',
    {},
    {
      enabled: wasLetIn(),
      staleTime: Number.POSITIVE_INFINITY,
      refetchInterval: (query) => (query.state.data ? false : 5_000),
      retry: false,
    },
  )
  const { data } = me
  const session = useMemo(
    () => data && { name: data.name, role: data.role, permissions: data.permissions },
    [data],
  )
  if (data?.csrf_token) setCsrfToken(data.csrf_token)
  const login = `/login?next=${encodeURIComponent(pathname + search)}`
  const isRefused = !data && me.error instanceof RequestFailed && me.error.status === 401
  if (isRefused) rememberLetIn(false)
  if (isRefused || !wasLetIn()) return <Navigate to={login} replace />
  if (data?.must_change_password) return <Navigate to={login} replace />
  if (session) return <SessionContext value={session}>{children}</SessionContext>
  return (
    <Center mih="100dvh" component="main">
      {me.error ? (
        <Stack maw={480} p="md">
          <Failed
            error={me.error}
            what="The system"
            retry={() => {
              void me.refetch()
            }}
          />
        </Stack>
      ) : (
        <Loader aria-label="loading" size="sm" />
      )}
    </Center>
  )
}
