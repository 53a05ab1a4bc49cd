/** One client a service, through the web service; types are generated from their OpenAPI. */
import createFetchClient, { type Middleware } from 'openapi-fetch'
import createQueryClient from 'openapi-react-query'
import type { paths as AccountPaths } from './account-data'
import type { paths as DashboardPaths } from './dashboard-creator'
import type { paths as PortfolioPaths } from './portfolio-builder'
import { type Problem, RequestFailed } from './problem'
import type { paths as GatewayPaths } from './signal-gateway'

/** Of the session; sent with whatever changes something. */
let csrfToken = ''
let onSignedOut: () => void = () => {}

export function setCsrfToken(token: string): void {
  csrfToken = token
}

/** Called where the server says that nobody is logged in (any more). */
export function whenSignedOut(act: () => void): void {
  onSignedOut = act
}

const SAFE = new Set(['GET', 'HEAD', 'OPTIONS'])

const guard: Middleware = {
  onRequest({ request }) {
    if (!SAFE.has(request.method)) {
      request.headers.set('X-CSRF-Token', csrfToken)
      request.headers.set('Idempotency-Key', crypto.randomUUID())
    }
    return request
  },
  async onResponse({ response }) {
    if (response.ok) return undefined
    const problem = await problemOf(response)
    if (response.status === 401 && problem.code !== 'WRONG_LOGIN') onSignedOut()
    throw new RequestFailed(response.status, problem)
  },
  onError() {
    return new RequestFailed(0, {
      code: 'NO_CONNECTION',
      message: 'the server does not answer',
      field: '',
    })
  },
}

async function problemOf(response: Response): Promise<Problem> {
  try {
    const body: unknown = await response.clone().json()
    if (typeof body === 'object' && body !== null && 'message' in body) return body as Problem
  } catch {
    // no JSON: a proxy in between has answered
  }
  return {
    code: `HTTP_${response.status}`,
    message: response.statusText || 'the request failed',
    field: '',
  }
}

/** Paths of OpenAPI are `/api/v1/…`; the browser asks `/api/<service>/v1/…`. */
function fetchOf(service: string): (request: Request) => Promise<Response> {
  return async (request) => {
    const url = new URL(request.url)
    url.pathname = url.pathname.replace(/^\/api\//, `/api/${service}/`)
    const { method, headers, credentials, signal } = request
    // Whole, not handed over as it is: browsers send a stream over HTTP/2 only.
    const body = request.body === null ? undefined : await request.arrayBuffer()
    return fetch(url, { method, headers, body, credentials, signal })
  }
}

function clientOf<Paths extends object>(service: string) {
  const client = createFetchClient<Paths>({
    baseUrl: globalThis.location?.origin ?? '',
    credentials: 'same-origin',
    fetch: fetchOf(service),
  })
  client.use(guard)
  return client
}

export const gateway = clientOf<GatewayPaths>('signal_gateway')
export const accounts = clientOf<AccountPaths>('account_data')
export const portfolio = clientOf<PortfolioPaths>('portfolio_builder')
export const dashboards = clientOf<DashboardPaths>('dashboard_creator')

/** The same as hooks: `$dashboards.useQuery('get', '/api/v1/signals', { params: … })`. */
export const $gateway = createQueryClient(gateway)
export const $accounts = createQueryClient(accounts)
export const $portfolio = createQueryClient(portfolio)
export const $dashboards = createQueryClient(dashboards)
