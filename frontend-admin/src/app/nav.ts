import {
  type Icon,
  IconActivity,
  IconAdjustments,
  IconAlertTriangle,
  IconArrowsExchange,
  IconBolt,
  IconBuildingBank,
  IconChartLine,
  IconCheckbox,
  IconCode,
  IconHistory,
  IconLayoutDashboard,
  IconListCheck,
  IconReportMoney,
  IconServer,
  IconSettings,
} from '@tabler/icons-react'

export interface Place {
  to: string
  label: string
  icon: Icon
  /** What one must be allowed to see it. */
  permission: string
  /** After `g`. */
  key?: string
  /** Whose home it is: it stands in the rail of nobody else. */
  role?: string
  /** On a phone, in the bar at the bottom. */
  often?: boolean
}

export const PLACES: Place[] = [
  {
    to: '/',
    label: 'Overview',
    icon: IconLayoutDashboard,
    permission: 'READ',
    key: 'h',
    often: true,
  },
  { to: '/signals', label: 'Signals', icon: IconBolt, permission: 'READ', key: 's', often: true },
  {
    to: '/orders',
    label: 'Orders',
    icon: IconArrowsExchange,
    permission: 'READ',
    key: 'o',
    often: true,
  },
  {
    to: '/positions',
    label: 'Positions',
    icon: IconListCheck,
    permission: 'READ',
    key: 'p',
    often: true,
  },
  { to: '/strategies', label: 'Strategies', icon: IconChartLine, permission: 'READ', key: 't' },
  { to: '/allocations', label: 'Allocations', icon: IconAdjustments, permission: 'READ', key: 'l' },
  { to: '/accounts', label: 'Accounts', icon: IconBuildingBank, permission: 'READ', key: 'c' },
  {
    to: '/risk',
    label: 'Risk',
    icon: IconAlertTriangle,
    permission: 'READ',
    key: 'r',
    often: true,
  },
  { to: '/approvals', label: 'Approvals', icon: IconCheckbox, permission: 'READ', key: 'a' },
  { to: '/activity', label: 'Activity', icon: IconHistory, permission: 'READ', key: 'v' },
  { to: '/system', label: 'System', icon: IconServer, permission: 'READ', key: 'y' },
  {
    to: '/developer',
    label: 'My strategies',
    icon: IconCode,
    permission: 'OWN',
    key: 'd',
    role: 'DEVELOPER',
    often: true,
  },
  {
    to: '/investor',
    label: 'Results',
    icon: IconReportMoney,
    permission: 'RESULTS',
    key: 'i',
    role: 'INVESTOR',
    often: true,
  },
  { to: '/settings', label: 'Settings', icon: IconSettings, permission: 'SELF', key: 'e' },
]

export const MORE_ICON = IconActivity

/** What stands in somebody's rail. */
export function placesOf(role: string, permissions: string[]): Place[] {
  return PLACES.filter(
    (place) => permissions.includes(place.permission) && (!place.role || place.role === role),
  )
}

/** Where somebody begins. */
export function homeOf(role: string): string {
  return PLACES.find((place) => place.role === role)?.to ?? '/'
}

/** What the page at an address asks for. */
export function permissionAt(path: string): string {
  const place = PLACES.find(
    (each) => each.to !== '/' && (path === each.to || path.startsWith(`${each.to}/`)),
  )
  return place?.permission ?? 'READ'
}

export function isAt(place: Place, path: string): boolean {
  return place.to === '/' ? path === '/' : path === place.to || path.startsWith(`${place.to}/`)
}
