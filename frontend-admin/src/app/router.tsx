import { createBrowserRouter } from 'react-router'

/** Every page is a chunk of its own: `Component` of `src/features/<feature>/<page>.tsx`. */
export const router = createBrowserRouter([
  {
    path: '/',
    lazy: async () => ({
      Component: (await import('@/features/overview/overview-page')).OverviewPage,
    }),
  },
  {
    path: '/strategies/:strategyId',
    lazy: async () => ({
      Component: (await import('@/features/strategies/strategy-page')).StrategyPage,
    }),
  },
  {
    path: '/strategies',
    lazy: async () => ({
      Component: (await import('@/features/strategies/strategies-page')).StrategiesPage,
    }),
  },
])
