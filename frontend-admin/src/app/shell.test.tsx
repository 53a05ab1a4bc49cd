import { screen, within } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { HttpResponse, http } from 'msw'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { renderRoutes } from '@/testing/render'
import { server } from '@/testing/server'
import { homeOf, permissionAt, placesOf } from './nav'
import { isStaleBuild } from './page-failure'
import { Shell } from './shell'

const SERVICE = '*/api/dashboard_creator/v1'
const ME = {
  name: 'olga',
  role: 'OPERATOR',
  permissions: ['READ', 'TRADE', 'OWN', 'RESULTS', 'SELF'],
  csrf_token: 't',
  must_change_password: false,
}
const FRAME = {
  environment: 'PAPER',
  trading_state: 'ACTIVE',
  sentence: 'trading is ACTIVE',
  equity: '2000000.5',
  today_pnl: '-1250',
  currency: 'USD',
  as_of: '2026-11-22T10:00:00Z',
  age_s: 4,
  stale: false,
  oldest_account: 'Mock-1',
  missing: '',
  incidents: 0,
  dead_letters: 0,
  approvals: 2,
  server_time: '2026-11-22T10:00:04Z',
}

class Silent extends EventTarget {
  static readonly CLOSED = 2
  close() {}
}

function system({ me = ME, frame = FRAME }: { me?: object; frame?: object } = {}) {
  server.use(
    http.get(`${SERVICE}/me`, () => HttpResponse.json(me)),
    http.get(`${SERVICE}/frame`, () => HttpResponse.json(frame)),
    http.get(`${SERVICE}/me/notifications`, () =>
      HttpResponse.json({ rows: [], next: null, unread: 3, unread_most: 100 }),
    ),
  )
}

function open(address: string) {
  return renderRoutes(address, [
    {
      element: <Shell />,
      children: [
        { path: '/', element: <h1>the overview</h1> },
        { path: '/signals', element: <h1>the signals</h1> },
        { path: '/developer', element: <h1>my strategies</h1> },
        { path: '/risk', element: <h1>the risk</h1> },
      ],
    },
    { path: '/login', element: <h1>the log-in</h1> },
  ])
}

beforeEach(() => {
  vi.stubGlobal('EventSource', Silent)
  localStorage.setItem('signed-in', 'yes')
})
afterEach(() => {
  vi.unstubAllGlobals()
  localStorage.clear()
})

test('the top bar says what this is, how trading is, what it is worth', async () => {
  system()
  open('/')
  expect(await screen.findByText('the overview')).toBeInTheDocument()
  expect(await screen.findByText('PAPER')).toBeInTheDocument()
  expect(screen.getByRole('link', { name: /Trading is ACTIVE/ })).toHaveAttribute('href', '/risk')
  expect(screen.getByText('2,000,001')).toBeInTheDocument()
  expect(screen.getByText('−1,250')).toBeInTheDocument()
  expect(screen.getByRole('button', { name: 'Notifications, 3 unread' })).toBeInTheDocument()
  const rail = screen.getByRole('navigation', { name: 'Pages' })
  expect(within(rail).getByRole('link', { name: 'Approvals 2 waiting' })).toBeInTheDocument()
  expect(within(rail).queryByRole('link', { name: 'My strategies' })).not.toBeInTheDocument()
})

test('figures that are old are told as old', async () => {
  system({ frame: { ...FRAME, stale: true, age_s: 130 } })
  open('/')
  expect(await screen.findByText('2 min old')).toBeInTheDocument()
})

test('whoever has never logged in goes to the log-in without a question', async () => {
  localStorage.clear()
  open('/signals')
  expect(await screen.findByText('the log-in')).toBeInTheDocument()
})

test('whoever must change their password goes there first', async () => {
  system({ me: { ...ME, must_change_password: true } })
  open('/')
  expect(await screen.findByText('the log-in')).toBeInTheDocument()
})

test('a developer begins at their strategies and sees nothing else', async () => {
  const me = { ...ME, role: 'DEVELOPER', permissions: ['OWN', 'SELF'] }
  system({ me, frame: { ...FRAME, equity: null } })
  const { unmount } = open('/')
  expect(await screen.findByText('my strategies')).toBeInTheDocument()
  expect(screen.queryByRole('button', { name: /Search/ })).not.toBeInTheDocument()
  unmount()
  open('/risk')
  expect(await screen.findByText('Not for you')).toBeInTheDocument()
  expect(screen.queryByText('the risk')).not.toBeInTheDocument()
})

test('g and a letter go to a page, but not while somebody types', async () => {
  system()
  open('/')
  await screen.findByText('the overview')
  await userEvent.keyboard('gs')
  expect(await screen.findByText('the signals')).toBeInTheDocument()
  await userEvent.keyboard('/')
  await screen.findByRole('combobox', { name: 'Search' })
  await userEvent.keyboard('gh')
  expect(screen.getByText('the signals')).toBeInTheDocument()
})

test('each role has the pages that it may see', () => {
  expect(placesOf('INVESTOR', ['RESULTS', 'SELF']).map((each) => each.to)).toEqual([
    '/investor',
    '/settings',
  ])
  expect(homeOf('ADMIN')).toBe('/')
  expect(permissionAt('/settings/users')).toBe('SELF')
  expect(permissionAt('/investor')).toBe('RESULTS')
  expect(permissionAt('/what-is-this')).toBe('READ')
})

test('a chunk that an update has removed is told from a fault of ours', () => {
  expect(isStaleBuild(new TypeError('Failed to fetch dynamically imported module: /a.js'))).toBe(
    true,
  )
  expect(isStaleBuild(new TypeError('x is undefined'))).toBe(false)
})
