import { MantineProvider } from '@mantine/core'
import { Notifications } from '@mantine/notifications'
import { QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { RouterProvider } from 'react-router'
import { whenSignedOut } from '@/api/client'
import { RequestFailed } from '@/api/problem'
import { rememberLetIn } from '@/lib/session'
import { router } from './router'
import { theme } from './theme'

const queries = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 5_000,
      // The live stream tells what has changed; this is for when it is cut.
      refetchInterval: 30_000,
      retry: (count, error) =>
        count < 2 && !(error instanceof RequestFailed && error.status >= 400 && error.status < 500),
    },
  },
})

whenSignedOut(() => {
  if (router.state.location.pathname === '/login') return
  const { pathname, search } = router.state.location
  rememberLetIn(false)
  queries.clear()
  void router.navigate(`/login?next=${encodeURIComponent(pathname + search)}`)
})

export function App() {
  return (
    <MantineProvider theme={theme} defaultColorScheme="auto">
      <QueryClientProvider client={queries}>
        <Notifications position="bottom-right" />
        <RouterProvider router={router} />
      </QueryClientProvider>
    </MantineProvider>
  )
}
