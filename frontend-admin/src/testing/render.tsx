import { MantineProvider } from '@mantine/core'
import { Notifications } from '@mantine/notifications'
import { QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { type RenderResult, render } from '@testing-library/react'
import type { ReactNode } from 'react'
import { createMemoryRouter, type RouteObject, RouterProvider } from 'react-router'
import { theme } from '@/app/theme'

/** Render a page at an address, as the app would; `path` is its route pattern. */
export function renderAt(address: string, path: string, page: ReactNode): RenderResult {
  return renderRoutes(address, [
    { path, element: page },
    { path: '*', element: <p>elsewhere</p> },
  ])
}

/** The same with several pages. */
export function renderRoutes(address: string, routes: RouteObject[]): RenderResult {
  const client = new QueryClient({ defaultOptions: { queries: { retry: false } } })
  const router = createMemoryRouter(routes, { initialEntries: [address] })
  return render(
    <MantineProvider theme={theme} env="test">
      <QueryClientProvider client={client}>
        <Notifications />
        <RouterProvider router={router} />
      </QueryClientProvider>
    </MantineProvider>,
  )
}
