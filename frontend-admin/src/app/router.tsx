import { type ComponentType, lazy } from 'react'
import { createBrowserRouter, Navigate, type RouteObject } from 'react-router'
import { PageFailure } from './page-failure'
import { Shell } from './shell'

type Load = () => Promise<ComponentType>

/** Every page is a chunk of its own: `<Name>Page` of `src/features/<feature>/<name>-page.tsx`. */
function page(path: string, load: Load): RouteObject {
  return { path, lazy: async () => ({ Component: await load() }), errorElement: <PageFailure /> }
}

/** What the shell stands around, as addresses; one line a page. */
export const pages: RouteObject[] = [
  page('/', async () => (await import('@/features/overview/overview-page')).OverviewPage),
  page('/signals', async () => (await import('@/features/signals/signals-page')).SignalsPage),
  page('/signals/:id', async () => (await import('@/features/signals/signal-page')).SignalPage),
  page('/orders', async () => (await import('@/features/orders/orders-page')).OrdersPage),
  page('/orders/:id', async () => (await import('@/features/orders/order-page')).OrderPage),
  page(
    '/positions',
    async () => (await import('@/features/positions/positions-page')).PositionsPage,
  ),
  page(
    '/strategies',
    async () => (await import('@/features/strategies/strategies-page')).StrategiesPage,
  ),
  page(
    '/strategies/:id',
    async () => (await import('@/features/strategies/strategy-page')).StrategyPage,
  ),
  page(
    '/allocations',
    async () => (await import('@/features/allocations/allocations-page')).AllocationsPage,
  ),
  page(
    '/allocations/studies/:id',
    async () => (await import('@/features/allocations/study-page')).StudyPage,
  ),
  page(
    '/allocations/proposals/:id',
    async () => (await import('@/features/allocations/proposal-page')).ProposalPage,
  ),
  page('/accounts', async () => (await import('@/features/accounts/accounts-page')).AccountsPage),
  page('/accounts/:id', async () => (await import('@/features/accounts/account-page')).AccountPage),
  page('/risk', async () => (await import('@/features/risk/risk-page')).RiskPage),
  page(
    '/approvals',
    async () => (await import('@/features/approvals/approvals-page')).ApprovalsPage,
  ),
  page('/activity', async () => (await import('@/features/activity/activity-page')).ActivityPage),
  page('/system', async () => (await import('@/features/system/system-page')).SystemPage),
  page(
    '/developer/*',
    async () => (await import('@/features/developer/developer-page')).DeveloperPage,
  ),
  page('/investor', async () => (await import('@/features/investor/investor-page')).InvestorPage),
  { path: '/settings', element: <Navigate to="/settings/profile" replace /> },
  page(
    '/settings/:part',
    async () => (await import('@/features/settings/settings-page')).SettingsPage,
  ),
  page('*', async () => (await import('./not-found-page')).NotFoundPage),
]

const LoginPage = lazy(async () => ({
  default: (await import('@/features/login/login-page')).LoginPage,
}))

export const router = createBrowserRouter([
  { path: '/login', element: <LoginPage />, errorElement: <PageFailure /> },
  {
    element: <Shell />,
    errorElement: <PageFailure />,
    hydrateFallbackElement: <></>,
    children: pages,
  },
])
