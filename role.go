package hansa

import "slices"

// UserRole is what a person does for a party. A role gives rights; what the rights
// reach is always that party's own.
type UserRole string

// The roles of a user. Values are written to disk.
const (
	RoleViewer        UserRole = "viewer"        // looks
	RoleController    UserRole = "controller"    // closes and opens roads
	RoleCrew          UserRole = "crew"          // says at the road what is closed and what is open
	RoleSteward       UserRole = "steward"       // answers for what is in the party's datasets
	RoleSignatory     UserRole = "signatory"     // signs for the party
	RoleOperator      UserRole = "operator"      // keeps the party's datasets, feeds, flows and credentials
	RoleAuditor       UserRole = "auditor"       // looks at what was done, and proves it
	RoleAdministrator UserRole = "administrator" // all that the party may, and who its users are
	RoleCounsel       UserRole = "counsel"       // reads, comments and proposes; never signs
	RoleEngineer      UserRole = "engineer"      // connects a company's systems: credentials, records, receipts
	RoleDuty          UserRole = "duty"          // a company's duty desk: looks, and answers for what is shown
)

// roleRights is the one table of what each role may do. It is read, never changed.
var roleRights = map[UserRole][]Right{
	RoleViewer:        {RightRead},
	RoleController:    {RightRead, RightControl},
	RoleCrew:          {RightRead, RightControl},
	RoleSteward:       {RightRead, RightPublish},
	RoleSignatory:     {RightRead},
	RoleOperator:      {RightRead, RightPublish, RightConnect, RightManage},
	RoleAuditor:       {RightRead},
	RoleAdministrator: {RightRead, RightPublish, RightReceipt, RightControl, RightConnect, RightManage},
	RoleCounsel:       {RightRead},
	RoleEngineer:      {RightRead, RightReceipt, RightConnect, RightManage},
	RoleDuty:          {RightRead, RightReceipt},
}

// UserRoles lists every role, in the order in which people read them.
func UserRoles() []UserRole {
	return []UserRole{
		RoleViewer, RoleController, RoleCrew, RoleSteward, RoleSignatory, RoleOperator, RoleAuditor, RoleAdministrator,
		RoleCounsel, RoleEngineer, RoleDuty,
	}
}

// Valid reports whether r is one of the roles.
func (r UserRole) Valid() bool { _, ok := roleRights[r]; return ok }

// RightsOf returns what somebody with these roles may do, each right once.
func RightsOf(roles []UserRole) []Right {
	var out []Right
	for _, role := range roles {
		for _, right := range roleRights[role] {
			if !slices.Contains(out, right) {
				out = append(out, right)
			}
		}
	}
	return out
}
