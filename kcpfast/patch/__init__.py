"""How one object becomes another: JSON patch, merge patch, strategic merge, server-side apply.

Pure functions over decoded objects. Called by api's patch verb and, for the record of who set which
field, by every write; knows schemas, not storage. Documents go in unharmed and come out as new
values that share nothing with what went in. The doors:

    json_patch.apply_json_patch             strategic.apply_strategic_patch
    merge_patch.apply_merge_patch           server_side_apply.apply
    merge_type.merge_node                   managed_fields.update_managers
"""
