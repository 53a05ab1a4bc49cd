import { createBrowserRouter } from 'react-router'

/** Every page is a chunk of its own: `Component` of `src/features/<feature>/<page>.tsx`. */
export const router = createBrowserRouter([
  {
    path: '/',
    lazy: async () => ({
      Component: (await import('@/features/overview/overview-page')).OverviewPage,
    }),
  },
])
