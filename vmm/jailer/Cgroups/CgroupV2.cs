using RunnerVm.Vmm.Native.Libc;

namespace RunnerVm.Vmm.Jailer.Cgroups;

/// <summary>A cgroup of version 2 (Documentation/admin-guide/cgroup-v2.rst).</summary>
/// <param name="mount">The hierarchy.</param>
/// <param name="parts">The folders from its mount down.</param>
internal sealed class CgroupV2(CgroupMount mount, IReadOnlyList<string> parts, IReadOnlyList<CgroupValue> values) : Cgroup
{
    public override void Enter()
    {
        var path = mount.Path;
        foreach (var part in parts)
        {
            // Top down: a cgroup has the controllers its parent hands on.
            HandOn(path);
            path = Path.Combine(path, part);
            Make(path);
        }

        foreach (var value in values) Write(Path.Combine(path, value.File), value.Value);
        MoveInto(path);
    }

    private void HandOn(string path)
    {
        var file = Path.Combine(path, "cgroup.subtree_control");
        var handedOn = Read(file).Split(' ');
        foreach (var controller in values.Select(static value => value.Controller).Distinct().Where(static name => name != "cgroup").Except(handedOn))
        {
            Write(file, $"+{controller}", errno => errno switch
            {
                LibC.ENOENT => $"The controller {controller} does not come down to this cgroup.",
                LibC.EBUSY => "Processes are in this cgroup itself, and then it has no controllers for its children: move them to one below it.",
                _ => null,
            });
        }
    }
}
