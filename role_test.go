package hansa_test

import (
	"slices"
	"testing"

	"github.com/hansa-exchange/hansa"
)

// TestRoles: each role looks, none operates the node, and only those that shall
// manage do: a right that slips into a role is seen here.
func TestRoles(t *testing.T) {
	manage := []hansa.UserRole{hansa.RoleOperator, hansa.RoleAdministrator, hansa.RoleEngineer}
	control := []hansa.UserRole{hansa.RoleController, hansa.RoleCrew, hansa.RoleAdministrator}
	for _, role := range hansa.UserRoles() {
		rights := hansa.RightsOf([]hansa.UserRole{role, role})
		if !role.Valid() || !slices.Contains(rights, hansa.RightRead) || slices.Contains(rights, hansa.RightAdmin) {
			t.Errorf("%s has %v", role, rights)
		}
		if got, want := slices.Contains(rights, hansa.RightManage), slices.Contains(manage, role); got != want {
			t.Errorf("%s manages: got %v, want %v", role, got, want)
		}
		if got, want := slices.Contains(rights, hansa.RightControl), slices.Contains(control, role); got != want {
			t.Errorf("%s controls: got %v, want %v", role, got, want)
		}
		seen := map[hansa.Right]bool{}
		for _, r := range rights {
			if seen[r] {
				t.Errorf("%s has %s twice", role, r)
			}
			seen[r] = true
		}
	}
	if hansa.UserRole("root").Valid() || len(hansa.RightsOf([]hansa.UserRole{"root"})) > 0 {
		t.Error("an unknown role gives rights")
	}
	if got := (hansa.Actor{User: "u", Credential: "c"}).ID(); got != "u" {
		t.Errorf("a person's acts stand under %q, want its own id", got)
	}
}
