namespace RunnerVm.Vmm.Jailer.Cgroups;

/// <summary>Which cgroups a request means on this host.</summary>
internal static class CgroupPlan
{
    public static IReadOnlyList<Cgroup> Make(JailRequest request, IReadOnlyList<CgroupMount> mounts, List<string> problems)
    {
        if (request.CgroupVersion == 2) return Unified(request, mounts, problems) is { } unified ? [unified] : [];

        // Controllers mounted together are one hierarchy, and get one cgroup.
        var values = new Dictionary<CgroupMount, List<CgroupValue>>();
        foreach (var value in request.CgroupValues)
        {
            if (mounts.FirstOrDefault(mount => mount.Version == 1 && mount.Has(value.Controller)) is not { } mount)
                problems.Add($"--cgroup {value.File}={value.Value}: no hierarchy of version 1 with the controller {value.Controller} is mounted. Mount it, or try --cgroup-version 2.");
            else if (values.TryGetValue(mount, out var others)) others.Add(value);
            else values[mount] = [value];
        }

        return [.. values.Select(pair => new CgroupV1(pair.Key, Parts(request), pair.Value))];
    }

    private static Cgroup? Unified(JailRequest request, IReadOnlyList<CgroupMount> mounts, List<string> problems)
    {
        var isWanted = request.CgroupValues.Count != 0 || request.ParentCgroup is not null;
        if (mounts.FirstOrDefault(static mount => mount.Version == 2) is not { } mount)
        {
            if (isWanted) problems.Add("--cgroup-version 2: no hierarchy of version 2 is mounted. Mount it (mount -t cgroup2 none /sys/fs/cgroup), or use version 1.");
            return null;
        }

        // Without values nothing is made: the caller has prepared the parent itself, as with Firecracker's jailer.
        if (request.CgroupValues.Count == 0)
        {
            var prepared = Path.Combine(mount.Path, request.ParentCgroup ?? request.ExecName);
            if (Directory.Exists(prepared)) return new PreparedCgroup(prepared);
            if (isWanted) problems.Add($"--parent-cgroup {request.ParentCgroup}: {prepared} is not there, and without --cgroup none is made. Make it, or say --cgroup.");
            return null;
        }

        var there = File.ReadAllText(Path.Combine(mount.Path, "cgroup.controllers")).Split([' ', '\n'], StringSplitOptions.RemoveEmptyEntries);
        foreach (var value in request.CgroupValues.Where(value => value.Controller != "cgroup" && !there.Contains(value.Controller)))
            problems.Add($"--cgroup {value.File}={value.Value}: the hierarchy at {mount.Path} has no controller {value.Controller} ({string.Join(' ', there)}). It may be in use by version 1.");
        return new CgroupV2(mount, Parts(request), request.CgroupValues);
    }

    private static IReadOnlyList<string> Parts(JailRequest request) => [.. (request.ParentCgroup ?? request.ExecName).Split('/'), request.Id];
}
