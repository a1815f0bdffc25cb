namespace RunnerVm.Vmm.Jailer.Cgroups;

/// <summary>A cgroup in one hierarchy of version 1 (Documentation/admin-guide/cgroup-v1).</summary>
/// <param name="mount">The hierarchy.</param>
/// <param name="parts">The folders from its mount down.</param>
internal sealed class CgroupV1(CgroupMount mount, IReadOnlyList<string> parts, IReadOnlyList<CgroupValue> values) : Cgroup
{
    public override void Enter()
    {
        var path = mount.Path;
        foreach (var part in parts)
        {
            var parent = path;
            path = Path.Combine(path, part);
            Make(path);
            if (mount.Has("cpuset")) Inherit(parent, path);
        }

        foreach (var value in values) Write(Path.Combine(path, value.File), value.Value);
        MoveInto(path);
    }

    /// <summary>
    /// A new cpuset is empty, and takes no process until it has processors and memory. Two jailers may do this at the same
    /// time: both write the same.
    /// </summary>
    private static void Inherit(string parent, string path)
    {
        foreach (var file in new[] { "cpuset.cpus", "cpuset.mems" })
        {
            if (Read(Path.Combine(path, file)).Length == 0) Write(Path.Combine(path, file), Read(Path.Combine(parent, file)));
        }
    }
}
